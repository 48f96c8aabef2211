//! Changes in the text of a rules file. Everything else stays as it is: comments, order, line ends. It is pure. The
//! code that reads the rules checks the result.

use toml_edit::{DocumentMut, Item, Table, Value, value};

use super::scalar;

/// The line end of DOS and Windows.
const DOS: &str = "\r\n";
/// The byte order mark, which some editors put before a text.
const MARK: char = '\u{feff}';

/// A change of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    /// Sets `enabled` to this value.
    Enable(bool),
    /// Removes the host, with the comments directly above it.
    Remove,
}

/// Changes the host that is called `name` (in normal form), and returns the whole text.
///
/// # Errors
/// Why the change is not possible in this text.
pub(crate) fn edited(text: &str, name: &str, edit: Edit) -> Result<String, &'static str> {
    let plain = text.trim_start_matches(MARK);
    let mut document: DocumentMut = plain.parse().map_err(|_| "it is no TOML")?;
    let hosts = document.get_mut("host").and_then(Item::as_array_of_tables_mut);
    let hosts = hosts.ok_or("its hosts are not written as [[host]]: change it by hand")?;
    let at = hosts.iter().position(|host| is_called(host, name)).ok_or("the host is not there any more")?;
    match edit {
        Edit::Enable(enabled) => {
            let Some(host) = hosts.get_mut(at) else { return Err("the host is not there any more") };
            enable(host, enabled);
        }
        Edit::Remove => {
            let gone = hosts.get(at).map(|host| (host.position(), comments(host)));
            hosts.remove(at);
            if hosts.is_empty() {
                document.remove("host");
            }
            if let Some((Some(position), left)) = gone {
                leave(&mut document, position, &left);
            }
        }
    }
    Ok(as_it_was(text, &document.to_string()))
}

/// The text with one more host at its end.
pub(crate) fn with_host(text: &str, host: &Table) -> String {
    let mut new = text.to_owned();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    if !new.is_empty() {
        new.push('\n');
    }
    new.push_str(&format!("[[host]]\n{host}"));
    as_it_was(text, &new)
}

/// Gives the new text the line ends and the byte order mark of `text`.
fn as_it_was(text: &str, new: &str) -> String {
    let new = new.trim_start_matches(MARK);
    let new = if text.contains(DOS) { new.replace(DOS, "\n").replace('\n', DOS) } else { new.to_owned() };
    if text.starts_with(MARK) { format!("{MARK}{new}") } else { new }
}

fn is_called(host: &Table, name: &str) -> bool {
    let own = host.get("name").and_then(Item::as_str).and_then(|own| scalar::rule_name(own).ok());
    own.is_some_and(|own| *own == *name)
}

fn enable(host: &mut Table, enabled: bool) {
    match host.get_mut("enabled").and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = Value::from(enabled);
            *old.decor_mut() = decor;
        }
        // Hosts are enabled unless the file says otherwise.
        None if enabled => {}
        None => {
            host.insert("enabled", value(false));
        }
    }
}

/// The comments above a host that are not about this host alone: everything up to the last empty line.
fn comments(host: &Table) -> String {
    let above = host.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    let plain = above.replace(DOS, "\n");
    match plain.rfind("\n\n") {
        Some(at) => plain.get(..=at).unwrap_or_default().to_owned(),
        None => String::new(),
    }
}

/// Moves the rest of a removed table at `position` before the next table, or to the end.
fn leave(document: &mut DocumentMut, position: isize, left: &str) {
    if left.trim().is_empty() {
        return;
    }
    let mut next = None;
    visit(document.as_table_mut(), &mut |table| {
        next = table.position().filter(|at| *at > position).into_iter().chain(next).min();
    });
    match next {
        Some(next) => visit(document.as_table_mut(), &mut |table| {
            if table.position() == Some(next) {
                let own = table.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
                let both = format!("{left}{own}");
                table.decor_mut().set_prefix(both);
            }
        }),
        None => {
            let own = document.trailing().as_str().unwrap_or_default();
            let both = format!("{left}{own}");
            document.set_trailing(both);
        }
    }
}

/// Visits every table that has a header of its own.
fn visit(table: &mut Table, see: &mut impl FnMut(&mut Table)) {
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(inner) => {
                see(inner);
                visit(inner, see);
            }
            Item::ArrayOfTables(list) => {
                for inner in list.iter_mut() {
                    see(inner);
                    visit(inner, see);
                }
            }
            Item::None | Item::Value(_) => {}
        }
    }
}

/// The difference between two texts for people: one place, with three lines around it, as `diff -u` writes it.
pub(crate) fn difference(file: &str, old: &str, new: &str) -> String {
    const AROUND: usize = 3;
    let [before, after] = [old, new].map(|text| text.lines().collect::<Vec<_>>());
    let head = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let rest = before.len().min(after.len()) - head;
    let tail = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    if head + tail == before.len().max(after.len()) {
        return String::new();
    }
    let start = head.saturating_sub(AROUND);
    let end = |lines: &[&str]| (lines.len() - tail + AROUND).min(lines.len());
    let (end_before, end_after) = (end(&before), end(&after));
    let first = |count: usize| if count == 0 { start } else { start + 1 };
    let (was, is) = (end_before - start, end_after - start);
    let mut out = format!("--- {file}\n+++ {file}\n@@ -{},{was} +{},{is} @@\n", first(was), first(is));
    let mut put =
        |mark: char, lines: &[&str]| lines.iter().for_each(|line| out.push_str(&format!("{mark}{line}\n")));
    put(' ', before.get(start..head).unwrap_or_default());
    put('-', before.get(head..before.len() - tail).unwrap_or_default());
    put('+', after.get(head..after.len() - tail).unwrap_or_default());
    put(' ', before.get(before.len() - tail..end_before).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "\
# The hosts of the house.

# Headquarters
[[host]]
name = \"HQ.example.net\" # as on the sign
target = \"192.0.2.1\"
enabled = true   # for now
http = [
  \"/a\", # first
]

[host.sip]
tcp = 5060
tls = false

# About branches:

# The branch
[[host]]
name = 'example.net/branch-b'
target = \"192.0.2.2\"
ldap   =   true

[target.\"192.0.2.1\"]   # not of the branch
reuse = \"client\"
# the end
";

    #[test]
    fn item_2_only_what_is_meant_changes() {
        let off = edited(RULES, "hq.example.net", Edit::Enable(false)).unwrap();
        assert_eq!(off, RULES.replace("enabled = true   # for now", "enabled = false   # for now"));
        assert_eq!(edited(&off, "hq.example.net", Edit::Enable(true)).unwrap(), RULES);
        assert_eq!(edited(RULES, "example.net/branch-b", Edit::Enable(true)).unwrap(), RULES);
        let off = edited(RULES, "example.net/branch-b", Edit::Enable(false)).unwrap();
        assert_eq!(off, RULES.replace("ldap   =   true\n", "ldap   =   true\nenabled = false\n"));
        let dos = RULES.replace('\n', "\r\n");
        assert_eq!(
            edited(&dos, "example.net/branch-b", Edit::Enable(false)).unwrap(),
            off.replace('\n', "\r\n")
        );
        let marked = format!("\u{feff}{RULES}");
        assert_eq!(edited(&marked, "hq.example.net", Edit::Enable(true)).unwrap(), marked);
    }

    #[test]
    fn item_2_a_host_goes_with_its_own_comments() {
        let left = edited(RULES, "hq.example.net", Edit::Remove).unwrap();
        let begin = RULES.find("# Headquarters").unwrap();
        let end = RULES.find("# About branches").unwrap();
        assert_eq!(left.replace("\n\n\n", "\n\n"), format!("{}{}", &RULES[..begin], &RULES[end..]));
        let left = edited(RULES, "example.net/branch-b", Edit::Remove).unwrap();
        assert!(left.contains("# About branches:\n") && !left.contains("# The branch"), "{left}");
        assert!(left.contains("[host.sip]") && left.ends_with("# the end\n"), "{left}");
        let none = edited(&left, "hq.example.net", Edit::Remove).unwrap();
        assert!(none.starts_with("# The hosts of the house.") && !none.contains("host]]"), "{none}");
        assert!(edited(RULES, "other.example", Edit::Remove).is_err());
        assert!(edited("host = [{ name = \"a\" }]", "a", Edit::Remove).is_err());
    }

    #[test]
    fn item_2_a_host_comes_behind_the_others() {
        let mut host = Table::new();
        host.insert("name", value("new.example.net"));
        for (text, expected) in [
            ("", "[[host]]\nname = \"new.example.net\"\n"),
            ("# no end", "# no end\n\n[[host]]\nname = \"new.example.net\"\n"),
            ("# a\r\n", "# a\r\n\r\n[[host]]\r\nname = \"new.example.net\"\r\n"),
        ] {
            assert_eq!(with_host(text, &host), expected);
        }
    }

    #[test]
    fn item_2_a_difference_is_shown_as_diff_shows_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\n";
        assert_eq!(difference("f", old, old), "");
        assert_eq!(
            difference("f", old, &old.replace("e\n", "E\n")),
            "--- f\n+++ f\n@@ -2,6 +2,6 @@\n b\n c\n d\n-e\n+E\n f\n g\n"
        );
        assert_eq!(difference("f", "", "a\n"), "--- f\n+++ f\n@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(difference("f", "a\na\n", "a\n"), "--- f\n+++ f\n@@ -1,2 +1,1 @@\n a\n-a\n");
    }
}
