//! A client's certificate, with another one after it: the verdict, and the names.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::proof::{Claim, Names};
use portward::tls::{CertificateStatus, ClientTrust, Possession};
use rustls_pki_types::{CertificateDer, UnixTime};

fuzz_target!(|input: &[u8]| {
    let (leaf, above) = input.split_at(input.len() - input.len() / 4);
    let chain = [CertificateDer::from(leaf), CertificateDer::from(above)];
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_800_000_000));
    for chain in [&chain[..1], &chain] {
        // No CA is trusted, so no certificate proves anything.
        assert!(!matches!(
            ClientTrust::default().judge(chain, Possession::Proven, now),
            CertificateStatus::Ok(_) | CertificateStatus::None
        ));
    }
    if let Some(names) = Names::of(input) {
        let _ = names.to_string();
        for name in ["", "*", "\0"] {
            assert!(!names.prove(Claim { name, host: "" }));
        }
    }
});
