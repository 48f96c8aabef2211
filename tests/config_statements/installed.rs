//! Files that the pages name exist: the packages install them, or the program or its administrator makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::messages::said_in;
use crate::{block_lines, files, pages, read};

/// The places of Portward's files, on a machine with the package.
const OURS: [&str; 6] =
    ["/usr/bin/portward", "/usr/lib/", "/usr/share/", "/etc/portward", "/var/lib/portward", "/run/portward"];

/// Every file that a package installs.
pub(crate) fn installed(list: &str) -> BTreeSet<String> {
    read(list).lines().filter_map(|line| line.split_once(" /")).map(|(_, path)| format!("/{path}")).collect()
}

/// A line of tmpfiles.d(5) that makes a folder: the folder, mode, user, group.
pub(crate) fn folders() -> BTreeMap<String, [String; 3]> {
    let text = read("systemd/portward.tmpfiles");
    let lines = text.lines().filter_map(|line| line.strip_prefix("d "));
    let fields = lines.map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    fields
        .map(|fields| (fields[0].clone(), [fields[1].clone(), fields[2].clone(), fields[3].clone()]))
        .collect()
}

/// The value of a directive of the unit.
pub(crate) fn unit(key: &str) -> Option<String> {
    let text = read("systemd/portward.service");
    let lines = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.map(str::to_owned).next()
}

/// Paths of ours in a text.
fn paths(text: &str) -> BTreeSet<String> {
    let in_path = |c: char| c.is_ascii_alphanumeric() || "/._-*".contains(c);
    let words = text.split(|c: char| !in_path(c)).map(|word| word.trim_end_matches(['.', '-']));
    let ours =
        words.filter(|word| word.contains("portward") && OURS.iter().any(|place| word.starts_with(place)));
    ours.map(|word| word.trim_end_matches('/').to_owned()).collect()
}

#[test]
fn every_path_that_is_named_is_installed_or_made() {
    let (folders, state) =
        (folders(), format!("/var/lib/{}", unit("StateDirectory").expect("a state folder")));
    let said = said_in(&["src"]);
    let lists = ["packaging/expected.deb", "packaging/expected.rpm"].map(installed);
    let is_known = |path: &str| {
        let is_installed = |list: &BTreeSet<String>| {
            list.contains(path) || list.iter().any(|file| file.starts_with(&format!("{path}/")))
        };
        let (parent, name) = path.rsplit_once('/').unwrap_or_default();
        lists.iter().all(is_installed)
            || folders.contains_key(path)
            || path == state
            // Files that an administrator puts into the folders, and files that the program makes in its own.
            || (folders.contains_key(parent) && parent.starts_with("/etc/portward/"))
            || ([state.as_str(), "/run/portward"].contains(&parent) && said.iter().any(|text| text.ends_with(name)))
            || path == "/var/lib/portward-acme"
    };
    let mut sources = pages();
    sources.extend(files("packaging/man", &["5", "more"]));
    sources.extend(
        ["packaging/etc/portward.toml", "packaging/etc/rules/README", "systemd/portward.service"]
            .map(PathBuf::from),
    );
    let (mut wrong, mut count) = (Vec::new(), 0);
    let texts = sources.iter().map(|path| (path.display().to_string(), read(path)));
    for (name, text) in texts.chain([("the program".to_owned(), said.join("\n"))]) {
        for path in paths(&text) {
            count += 1;
            if !is_known(&path) {
                wrong.push(format!("{name}: {path}"));
            }
        }
    }
    assert!(count > 40, "only {count} paths were found");
    assert_eq!(wrong, [""; 0]);
    assert!(!is_known("/usr/share/doc/portward/README.md"));
}

/// Every page that the program tells its users to read is installed by the package.
#[test]
fn the_program_names_no_page_that_the_package_does_not_have() {
    let deb = installed("packaging/expected.deb");
    let mut wrong = Vec::new();
    for text in said_in(&["src"]) {
        for word in text.split_whitespace().map(|word| word.trim_matches(|c: char| "`\"(),;:.".contains(c))) {
            let is_page = word == "README" || word.ends_with(".md");
            if is_page && !deb.contains(word) {
                wrong.push(text.clone());
            }
        }
        for page in text.split("man ").skip(1).filter_map(|rest| rest.split(['`', ' ']).next()) {
            let sections =
                ["1", "5"].map(|section| format!("/usr/share/man/man{section}/{page}.{section}.gz"));
            if text.contains(&format!("`man {page}")) && !sections.iter().any(|file| deb.contains(file)) {
                wrong.push(text.clone());
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_link_of_an_installed_page_leads_to_an_installed_file() {
    let (deb, mut wrong) = (installed("packaging/expected.deb"), Vec::new());
    let is_installed = |page: &PathBuf| deb.contains(&format!("/usr/share/doc/portward/{}", page.display()));
    for page in pages().into_iter().filter(is_installed) {
        for link in read(&page).split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let folder = page.parent().expect("its folder").to_string_lossy().into_owned();
            let file = match link.strip_prefix("../") {
                Some(rest) => rest.to_owned(),
                None => format!("{folder}/{link}"),
            };
            if !link.is_empty()
                && !link.contains("://")
                && !deb.contains(&format!("/usr/share/doc/portward/{file}"))
            {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// If a page builds a package, it installs the package from the place where it was built.
#[test]
fn a_package_is_installed_from_where_it_is() {
    let script = read("packaging/build-deb");
    let built = script.split("file=").nth(1).and_then(|rest| rest.split("portward_").next()).expect("where");
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        let is_built_there = block_lines(&text).any(|line| line.starts_with("packaging/build-deb"));
        let mut folder = String::new();
        for line in block_lines(&text).filter(|_| is_built_there) {
            if let Some(rest) = line.strip_prefix("cd ") {
                folder = format!("{}/", rest.split(' ').next().unwrap_or_default());
            }
            if let Some((_, package)) =
                line.split_once("apt install ./").filter(|(_, package)| package.contains(".deb"))
            {
                let package = format!("{folder}{package}");
                assert!(package.starts_with(&format!("{built}portward_")), "{}: {line}", page.display());
                count += 1;
            }
        }
    }
    assert_eq!(count, 2, "README.md and docs/install.md");
}

/// Every command has a man page, and both packages install it.
#[test]
fn every_man_page_of_the_program_is_in_both_packages() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_portward"));
    let status = program.arg("man").arg(folder.path()).status().expect("it runs");
    assert!(status.success());
    let written = std::fs::read_dir(folder.path()).expect("the folder");
    let names = written.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    let made: BTreeSet<_> = names.map(|name| format!("/usr/share/man/man1/{name}.gz")).collect();
    for list in ["packaging/expected.deb", "packaging/expected.rpm"] {
        let pages = installed(list).into_iter().filter(|path| path.contains("/man1/"));
        assert_eq!(made, pages.collect(), "{list}");
    }
}
