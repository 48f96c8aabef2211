use super::super::text::TextPosition;
use super::*;

fn account(id: &str, tree: &[&str]) -> Account {
    let tree = tree.iter().map(|id| Box::from(*id)).collect();
    let position = TextPosition { line: 1, column: 1 };
    let realm = Some(format!("{id}.example").into());
    Account { id: id.into(), name: Some(format!("{id} Ltd").into()), realm, enabled: true, tree, position }
}

fn planned(list: Vec<Account>, known: &BTreeMap<Box<str>, ExistingTenant>, prune: bool) -> Plan {
    plan(Accounts { list, warnings: Vec::new() }, known, true, prune)
}

/// The tenants after a plan was carried out.
fn after(known: &BTreeMap<Box<str>, ExistingTenant>, plan: &Plan) -> BTreeMap<Box<str>, ExistingTenant> {
    let mut known = known.clone();
    for (id, change) in &plan.changes {
        match change {
            Change::Remove => drop(known.remove(id)),
            Change::Make(wanted) | Change::Alter(wanted, _) => {
                let PlannedTenant { name, parent, realms, enabled, gets_target } = wanted.clone();
                let before = known.get(id).cloned();
                let has_target = gets_target || before.as_ref().is_some_and(|known| known.has_target);
                let is_imported = before.is_none_or(|known| known.is_imported);
                let new =
                    ExistingTenant { name, parent, realms, enabled, has_target, of_rules: None, is_imported };
                known.insert(id.clone(), new);
            }
        }
    }
    known
}

fn shown(plan: &Plan) -> String {
    let one = |(id, change): &(Box<str>, Change)| match change {
        Change::Make(wanted) => format!("+{id}{}", if wanted.gets_target { "@" } else { "" }),
        Change::Alter(_, what) => format!("~{id}({})", what.join("; ")),
        Change::Remove => format!("-{id}"),
    };
    plan.changes.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn item_5_missing_ancestors_are_made_and_the_same_again_changes_nothing() {
    let accounts = || vec![account("c", &["top", "a"]), account("a", &["top"]), account("b", &[])];
    let first = planned(accounts(), &BTreeMap::new(), false);
    assert_eq!(
        shown(&first),
        "+top +a@ +b@ +c",
        "parents come first, and a tenant below a target needs none"
    );
    assert_eq!(first.warnings.len(), 1);
    let known = after(&BTreeMap::new(), &first);
    assert_eq!((known["c"].parent.as_deref(), known["top"].name.as_deref()), (Some("a"), None));
    let again = planned(accounts(), &known, true);
    assert_eq!((shown(&again).as_str(), again.unchanged, again.warnings.len()), ("", 4, 0));
}

#[test]
fn item_5_only_what_an_import_has_made_goes_and_only_when_that_is_wanted() {
    let first =
        planned(vec![account("a", &[]), account("b", &["a"]), account("z", &[])], &BTreeMap::new(), false);
    let mut known = after(&BTreeMap::new(), &first);
    known.insert("hand".into(), ExistingTenant { enabled: true, ..ExistingTenant::default() });
    let kept = planned(vec![account("z", &[])], &known, false);
    assert_eq!((shown(&kept).as_str(), kept.left.join(" ")), ("", "b a".to_owned()));
    let gone = planned(vec![account("z", &[])], &known, true);
    assert_eq!(shown(&gone), "-b -a", "lower tenants are removed first");
    // A parent stays when its own account is gone and accounts still stand below it.
    let below = planned(vec![account("z", &[]), account("b", &["a"])], &known, true);
    assert_eq!(shown(&below), "");
}

#[test]
fn item_5_what_has_changed_is_said() {
    let first = planned(vec![account("a", &[]), account("b", &[])], &BTreeMap::new(), false);
    let mut known = after(&BTreeMap::new(), &first);
    let new = Account { enabled: false, name: None, tree: vec!["a".into()], ..account("b", &[]) };
    let plan = planned(vec![account("a", &[]), new], &known, false);
    assert_eq!(shown(&plan), "~b(name b Ltd -> none; parent none -> a; disabled)");
    // A tenant from the rules files stays, and its names are taken.
    known.insert(
        "r".into(),
        ExistingTenant {
            name: Some("b Ltd".into()),
            of_rules: Some("r.toml:1".into()),
            ..ExistingTenant::default()
        },
    );
    let plan = planned(vec![account("a", &[]), account("b", &[]), account("r", &[])], &known, false);
    assert_eq!(shown(&plan), "~b(name b Ltd -> none)");
    assert_eq!(plan.warnings.len(), 2, "{:?}", plan.warnings);
}

#[test]
fn item_5_a_circle_is_opened_and_a_missing_target_is_told() {
    let list = || vec![account("a", &["b"]), account("b", &["a"])];
    let circle = planned(list(), &BTreeMap::new(), false);
    assert_eq!(circle.warnings.len(), 1, "{:?}", circle.warnings);
    let Change::Make(first) = &circle.changes[0].1 else { panic!() };
    assert!(circle.changes.len() == 2 && first.parent.is_none(), "{circle:?}");
    let without = plan(
        Accounts { list: vec![account("a", &[])], ..Accounts::default() },
        &BTreeMap::new(),
        false,
        false,
    );
    assert_eq!(without.needs_target.as_deref(), Some("a"));
}
