use super::*;

fn tenant(id: &str, parent: Option<&str>, enabled: bool) -> TenantDef {
    let (id, parent) = (id.into(), parent.map(Box::from));
    TenantDef {
        id,
        name: None,
        enabled,
        parent,
        endpoints: None,
        secrets: Arc::default(),
        users: None,
        source: Source::default(),
    }
}

#[test]
fn what_is_below_a_disabled_tenant_is_not_alive() {
    let tenants = Tenants::new(vec![
        tenant("c", Some("b"), true),
        tenant("b", Some("a"), false),
        tenant("a", None, true),
        tenant("A", None, true),
    ]);
    let alive = |id: &str| tenants.by_id(id).map(Tenant::is_alive);
    assert_eq!(["a", "b", "c", "A"].map(alive), [Some(true), Some(false), Some(false), Some(true)]);
    assert!(tenants.by_id("d").is_none());
    let (a, c) = (tenants.by_id("a").unwrap(), tenants.by_id("c").unwrap());
    assert!(c.is_within(a) && !a.is_within(c) && a.is_within(a));
}

#[test]
fn item_5_tenants_of_the_api_stand_behind_those_of_the_rules() {
    let rules = Tenants::new(vec![tenant("a", None, true), tenant("b", Some("a"), true)]);
    let mut all = rules.extended(vec![tenant("c", Some("d"), true), tenant("d", Some("b"), true)]);
    let shown = |tenants: &Tenants| -> Vec<(String, bool, bool)> {
        tenants.iter().map(|t| (t.id().to_owned(), t.is_made(), t.is_alive())).collect()
    };
    let is = |id: &str, made, alive| (id.to_owned(), made, alive);
    assert_eq!(
        shown(&all),
        [is("a", false, true), is("b", false, true), is("c", true, true), is("d", true, true)]
    );
    all.set_enabled([("b", false), ("unknown", false)]);
    assert_eq!(shown(&all)[1..], [is("b", false, false), is("c", true, false), is("d", true, false)]);
    assert!(all.by_id("b").unwrap().enabled_by_rules() && all.by_id("c").unwrap().enabled());
    assert_eq!(shown(&rules), [is("a", false, true), is("b", false, true)], "the others are as they were");
}

#[test]
fn a_cycle_ends() {
    let tenants = Tenants::new(vec![
        tenant("a", Some("b"), true),
        tenant("b", Some("a"), true),
        tenant("below", Some("a"), true),
    ]);
    assert!(tenants.iter().all(|tenant| !tenant.is_alive() && tenant.target().is_none()));
    assert!(tenants.iter().all(|tenant| tenant.ancestors().count() == 3));
}

/// Item 1: the tenant that disables a tenant, before and after an administrator's command.
#[test]
fn item_1_a_tenant_is_disabled_by_the_nearest_one_that_is() {
    let mut tenants = Tenants::new(vec![
        tenant("d", Some("c"), true),
        tenant("c", Some("b"), true),
        tenant("b", Some("a"), true),
        tenant("a", None, true),
    ]);
    let by = |tenants: &Tenants, id| tenants.by_id(id).unwrap().disabled_by().map(|by| by.id().to_owned());
    assert_eq!(by(&tenants, "d"), None);
    tenants.set_enabled([("a", false), ("A", false)]);
    assert!(tenants.iter().all(|tenant| !tenant.is_alive()));
    assert_eq!(by(&tenants, "d").as_deref(), Some("a"));
    tenants.set_enabled([("c", false)]);
    assert_eq!(["d", "c", "b"].map(|id| by(&tenants, id).unwrap()), ["c", "c", "a"]);
    tenants.set_enabled([("a", true)]);
    let alive: Vec<_> = tenants.iter().map(Tenant::is_alive).collect();
    assert_eq!(alive, [false, false, true, true]);
}
