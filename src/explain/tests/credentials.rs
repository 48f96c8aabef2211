//! Explanations about credentials: where they are demanded, and the answers of their exchange.

use super::*;

#[test]
fn w5_a_rule_that_demands_credentials_says_so() {
    let given = loaded_with(
        "",
        &(RULES.to_owned()
            + "[[host]]\nname = \"demanding.example\"\ntarget = \"192.0.2.9\"\n\
         sip = { tcp = 5060, credentials = \"ephemeral\", credential_user = \"any\" }\n"),
    );
    let explanation = answer(&given, "sip:a@demanding.example", &Client::default());
    let text = super::super::text::Text(&explanation).to_string();
    assert!(text.contains("rule    sip, demands ephemeral credentials of any user\n"), "{text}");
    let rule = &explanation.to_json()["rule"];
    assert_eq!((&rule["credentials"], &rule["credential_user"]), (&"ephemeral".into(), &"any".into()));
    let other = answer(&given, "sip:a@dvl-ckl2.net", &Client::default()).to_json();
    assert!(other["rule"]["service"] == "sip" && other["rule"].get("credentials").is_none(), "{other}");
}

/// A tenant without secrets has no right credential.
#[test]
fn an_exchange_is_explained_as_it_answers() {
    let rules = "[tenant.ABC]\nsecrets = [\"of ABC\"]\n[tenant.BARE]\n\
                 [[host]]\nname = \"web.example\"\nhttp = [{ path = \"/token/{tenant}\", exchange = \"sip\" }]\n\
                 [[host]]\nname = \"sip.example\"\nsip = { target = \"192.0.2.1\", credentials = \"ephemeral\" }\n";
    for (config, tenant, expected) in [
        ("[sip]\nsecrets = [\"own\"]\n", "ABC", "Some(\"sip.example\")"),
        ("[sip]\nsecrets = [\"own\"]\n", "BARE", "failed-login"),
        ("[sip]\nsecrets = [\"own\"]\n", "XYZ", "unknown-tenant"),
        ("", "BARE", "None"),
    ] {
        let url = format!("https://web.example/token/{tenant}");
        let explanation = answer(&loaded_with(config, rules), &url, &Client::default());
        assert_eq!(short(&explanation), expected, "{config} {tenant}");
    }
}
