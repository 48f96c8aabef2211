//! Distinguished names in their string form (RFC 4514): the domain that the `DC=` components make, and the value of
//! the first component, which is the user's. If that component has several values their order has no meaning (it is a set),
//! so the least of them is the user, in whatever order they stand.
//!
//! Read as strictly as the route needs it. What one directory could read in one way and another one in another way is
//! [`Unclear`]: two `DC` in one component (a set has no order), `DC`s with something else in between (the last run is the
//! domain to some), control characters. Quoted values, a semicolon in the place of a comma (both RFC 2253 §4) and spaces
//! around the separators have one meaning and are read.

use super::ber::Elements;
use super::oid;
use super::user::{Domain, Unclear, User};

/// `dc` and its other names: RFC 4519 §2.4, RFC 2247 §3.
const DC: [&[u8]; 3] = [b"dc", b"domaincomponent", b"0.9.2342.19200300.100.1.25"];

/// What may stand before an object identifier (RFC 2253 §4).
const OID: &[u8] = b"oid.";

/// Reads a name that has an attribute type and `=` in front.
///
/// # Errors
/// It is no distinguished name, or one that has several readings.
pub(super) fn read(text: &[u8]) -> Result<(Domain, User), Unclear> {
    let mut rest = Rest(text);
    let mut domain = Domain::default();
    let mut user = User::default();
    // Whether a run of DCs has begun, and whether it has ended.
    let (mut begun, mut ended) = (false, false);
    for first in std::iter::once(true).chain(std::iter::repeat(false)) {
        let mut seen = 0_usize;
        loop {
            let is_dc = rest.attribute_type()?;
            let mut value = User::default();
            rest.value(is_dc, &mut value)?;
            if is_dc {
                seen += 1;
                add(&mut domain, &value)?;
            } else if first && !value.is_empty() && (user.is_empty() || comes_before(&value, &user)) {
                user = value;
            }
            if !rest.eat(b'+') {
                break;
            }
        }
        match seen {
            0 => ended |= begun,
            1 if !ended => begun = true,
            _ => return Err(Unclear),
        }
        if rest.0.is_empty() {
            return Ok((domain, user));
        }
        if !rest.eat(b',') && !rest.eat(b';') {
            return Err(Unclear);
        }
    }
    Err(Unclear)
}

/// The order of values, without regard to case (RFC 4517 §4.2.11).
fn comes_before(one: &[u8], other: &[u8]) -> bool {
    let folded = |text: &[u8]| String::from_utf8_lossy(text).to_lowercase();
    folded(one) < folded(other)
}

/// Appends a `DC` to the domain. RFC 2247 §2 has one label in each; several with dots between them are read, too,
/// since the domain is the same.
fn add(domain: &mut Domain, value: &[u8]) -> Result<(), Unclear> {
    let sound = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let labels = value.split(|byte| *byte == b'.').all(|label| !label.is_empty());
    if !labels || !value.iter().all(sound) {
        return Err(Unclear);
    }
    if !domain.is_empty() {
        domain.push(b'.');
    }
    domain.extend_from_slice(value);
    Ok(())
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let eaten = self.0.first() == Some(&byte);
        if eaten {
            self.next();
        }
        eaten
    }

    fn spaces(&mut self) {
        while self.eat(b' ') {}
    }

    /// An attribute type (RFC 4512 §1.4: `descr` or `numericoid`, the latter perhaps behind `OID.`, RFC 2253 §4) and the
    /// `=` after it. Whether it is `DC`.
    fn attribute_type(&mut self) -> Result<bool, Unclear> {
        self.spaces();
        let len = self.0.iter().position(|byte| matches!(byte, b' ' | b'=')).ok_or(Unclear)?;
        let (name, rest) = self.0.split_at_checked(len).ok_or(Unclear)?;
        self.0 = rest;
        let name = match name.split_at_checked(OID.len()) {
            Some((prefix, number)) if prefix.eq_ignore_ascii_case(OID) => number,
            _ => name,
        };
        let is_descr = name.first().is_some_and(u8::is_ascii_alphabetic)
            && name.len() == len
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        let sound = is_descr || oid::is_numeric(name);
        self.spaces();
        if !sound || !self.eat(b'=') {
            return Err(Unclear);
        }
        Ok(DC.iter().any(|dc| name.eq_ignore_ascii_case(dc)))
    }

    /// An attribute value and the spaces around it, decoded into `out`.
    fn value(&mut self, is_dc: bool, out: &mut User) -> Result<(), Unclear> {
        self.spaces();
        match self.0.first() {
            Some(b'#') => {
                self.next();
                self.hex_value(is_dc, out)?;
                self.spaces();
            }
            Some(b'"') => {
                self.next();
                self.quoted(out)?;
                self.spaces();
            }
            _ => self.string(out)?,
        }
        Ok(())
    }

    /// RFC 4514 §2.4. Spaces at the end count only if they are escaped.
    fn string(&mut self, out: &mut User) -> Result<(), Unclear> {
        let mut kept = 0;
        while let Some(&byte) = self.0.first() {
            match byte {
                b',' | b';' | b'+' => break,
                b'"' | b'<' | b'>' => return Err(Unclear),
                b'\\' => {
                    self.next();
                    let byte = self.escaped()?;
                    out.push(byte);
                    kept = out.len();
                }
                b' ' => {
                    self.next();
                    out.push(byte);
                }
                _ => {
                    self.next();
                    out.push(byte);
                    kept = out.len();
                }
            }
        }
        out.truncate(kept);
        Ok(())
    }

    /// RFC 2253 §4, up to the closing quotation mark.
    fn quoted(&mut self, out: &mut User) -> Result<(), Unclear> {
        loop {
            match self.next().ok_or(Unclear)? {
                b'"' => return Ok(()),
                b'\\' => {
                    let byte = self.escaped()?;
                    out.push(byte);
                }
                byte => out.push(byte),
            }
        }
    }

    /// What follows a backslash: a character that needs one, or an octet as two hexadecimal digits.
    fn escaped(&mut self) -> Result<u8, Unclear> {
        let first = self.next().ok_or(Unclear)?;
        if b" \"#+,;<=>\\".contains(&first) {
            return Ok(first);
        }
        let second = self.next().ok_or(Unclear)?;
        pair(first, second).filter(|byte| *byte != 0).ok_or(Unclear)
    }

    /// The hexadecimal digits of a value's BER encoding. What is in it is of interest only in a `DC`.
    fn hex_value(&mut self, is_dc: bool, out: &mut User) -> Result<(), Unclear> {
        let len = self.0.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(len).ok_or(Unclear)?;
        self.0 = rest;
        if digits.is_empty() || digits.len() % 2 > 0 {
            return Err(Unclear);
        }
        let mut octets = User::new();
        octets.extend(digits.chunks_exact(2).filter_map(|two| match two {
            [first, second] => pair(*first, *second),
            _ => None,
        }));
        let mut elements = Elements(&octets);
        // OCTET STRING, UTF8String, PrintableString, IA5String.
        match elements.take() {
            Ok((0x04 | 0x0c | 0x13 | 0x16, content)) if elements.is_empty() && !content.contains(&0) => {
                out.extend_from_slice(content);
            }
            _ if is_dc => return Err(Unclear),
            _ => {}
        }
        Ok(())
    }
}

fn pair(first: u8, second: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(first)? << 4 | digit(second)?)
}

#[cfg(test)]
mod tests {
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
        // A value in BER that is no string: well formed, and nothing to call anybody.
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
}
