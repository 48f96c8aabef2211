//! Distinguished names in all their spellings.

use super::*;

fn dn(text: &str) -> Option<(String, String)> {
    let string = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    read(text.as_bytes()).ok().map(|(domain, user)| (string(&domain), string(&user)))
}

#[track_caller]
fn is(text: &str, domain: &str, user: &str) {
    assert_eq!(dn(text), Some((domain.to_owned(), user.to_owned())), "{text}");
}

#[test]
fn dcs_are_joined_in_order_whatever_case_and_spacing() {
    is("CN=ckl, DC=innovaphone, DC=com", "innovaphone.com", "ckl");
    is("cn=ckl,dc=innovaphone,dc=com", "innovaphone.com", "ckl");
    is("  Cn  =  ckl  ,  dC = innovaphone ,DC=COM  ", "innovaphone.COM", "ckl");
    is("uid=a,ou=b c,DomainComponent=x,0.9.2342.19200300.100.1.25=y", "x.y", "a");
    is("DC=hq.dvl-ckl2,DC=net", "hq.dvl-ckl2.net", "");
    is("uid=a,dc=x,dc=y,o=z", "x.y", "a");
    is("cn=a,o=b", "", "a");
    is("cn=", "", "");
    is("2.5.4.3=a,dc=x", "x", "a");
    is("OID.2.5.4.3=a,oid.0.9.2342.19200300.100.1.25=x,Oid.0.9.2342.19200300.100.1.25=y", "x.y", "a");
}

#[test]
fn item_16_a_semicolon_separates_as_a_comma_does() {
    is("CN=ckl; DC=innovaphone; DC=com", "innovaphone.com", "ckl");
    is("cn=ckl;dc=innovaphone,dc=com", "innovaphone.com", "ckl");
    is("cn=ckl ,dc=innovaphone ; dc=com", "innovaphone.com", "ckl");
    is(r#"CN="a;dc=evil";DC=good"#, "good", "a;dc=evil");
    is(r"CN=a\;dc=evil;DC=good", "good", "a;dc=evil");
    is(r"CN=a\3bdc=evil;DC=good", "good", "a;dc=evil");
    is(r"CN=a\\;DC=good", "good", r"a\");
    is("CN=#040161;DC=good", "good", "a");
    is("uid=a+cn=b;DC=x", "x", "a");
}

#[test]
fn a_dc_within_another_value_is_none() {
    is(r"CN=a\,dc=evil,DC=good", "good", "a,dc=evil");
    is(r"CN=a\2cdc=evil,DC=good", "good", "a,dc=evil");
    is(r#"CN="a,dc=evil,dc=net",DC=good"#, "good", "a,dc=evil,dc=net");
    is(r#"CN="a\",dc=evil",DC=good"#, "good", "a\",dc=evil");
    is("CN=dc=evil,DC=good", "good", "dc=evil");
    is("CN=a dc=evil,DC=good", "good", "a dc=evil");
    // #04: an OCTET STRING with the text `,dc=evil`.
    is("CN=#04082c64633d6576696c,DC=good", "good", ",dc=evil");
    is("description=a+CN=b,DC=good", "good", "a");
    is("xdc=evil,dcx=evil,d-c=evil,DC=good", "good", "evil");
    is("0.9.2342.19200300.100.1.255=evil,DC=good", "good", "evil");
}

#[test]
fn values_are_decoded() {
    is(r"CN=M\C3\BCller\, Eva,DC=d\76l\2Dckl2,DC=net", "dvl-ckl2.net", "Müller, Eva");
    is(r#"CN=a,DC="dvl-ckl2", DC="net" "#, "dvl-ckl2.net", "a");
    is("CN=a,DC=#0403646576,DC=#1603636f6d", "dev.com", "a");
    is(r"CN=\ a\ \ ,DC=x", "x", " a  ");
    is(r"CN=\#a#b,DC=x", "x", "#a#b");
    is("CN=a+DC=x,DC=y", "x.y", "a");
    is("CN=B+uid=a+sn=c,DC=x", "x", "a");
    is("sn=c+uid=a+CN=B,DC=x", "x", "a");
    is("sn=C+CN=B,DC=x", "x", "B");
    is("CN=a=b,DC=x", "x", "a=b");
    // A value in BER that is no string. It is well formed, but names no user.
    is("CN=#0101ff,DC=x", "x", "");
}

#[test]
fn what_has_two_readings_or_none_is_unclear() {
    for text in [
        "DC=a+DC=b,DC=c",
        "DC=a;OU=b;DC=c",
        "CN=a;;DC=c",
        "CN=a;",
        "CN=a,;DC=c",
        ";CN=a",
        "DC=a,OU=b,DC=c",
        "DC=a/b,DC=c",
        "DC=a b,DC=c",
        "DC=,DC=c",
        "DC=a.,DC=c",
        "DC=.,DC=c",
        "DC=a..b",
        "DC=\u{fc},DC=c",
        r"DC=a\,b",
        r"DC=a\00",
        r"CN=a\00,DC=c",
        r"CN=a\zz,DC=c",
        r"CN=a\4",
        "CN=a\\",
        "CN=\"a",
        "CN=\"a\"b,DC=c",
        "CN=a\"b,DC=c",
        "CN=a<b,DC=c",
        "CN=#,DC=c",
        "CN=#041,DC=c",
        "CN=#04gg,DC=c",
        "DC=#0101ff",
        "DC=#0403616",
        "DC=#04026100",
        "DC=#040161ff",
        "DC=#048461",
        "CN=a,,DC=c",
        "CN=a,",
        "CN=a,DC=c,",
        ",CN=a",
        "CN a=b",
        "C N=a",
        "CN;binary=a",
        "oid.cn=a,DC=c",
        "oid.=a,DC=c",
        "oid.oid.2.5.4.3=a,DC=c",
        "CN=a,oid.dc=c",
        "CN=a,0.9.2342.19200300.100.1.025=c",
        "CN=a,00.9.2342.19200300.100.1.25=c",
        "CN=a,0.9.2342.19200300.100.1.25.=c",
        "2=a,DC=c",
        "00.9=a,DC=c",
        "2.=a,DC=c",
        "-a=b",
        "CN=a+,DC=c",
        "CN",
        "=a",
        "",
    ] {
        assert_eq!(dn(text), None, "{text:?}");
    }
}

#[test]
fn any_number_of_components_is_one_loop() {
    let long = "cn=a,".repeat(3000) + "dc=x";
    is(&long, "x", "a");
    assert_eq!(dn(&("dc=a+".repeat(3000) + "cn=b")), None);
}
