//! portward.toml and a rules file, in one input with a line `#rules` between them. Whatever they contain, they are
//! either valid, or there is a message with a place in the text.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use portward::config::check;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("portward-fuzz-{}", std::process::id()));
    fs::create_dir_all(folder.join("rules")).expect("a temporary folder");
    folder
});

fuzz_target!(|input: &[u8]| {
    let marker = b"#rules\n";
    let cut = input.windows(marker.len()).position(|window| window == marker);
    let (config, rules) = cut.map_or((input, &b""[..]), |at| (&input[..at], &input[at + marker.len()..]));
    let file = FOLDER.join("portward.toml");
    fs::write(&file, config).expect("writes");
    fs::write(FOLDER.join("rules/rules.toml"), rules).expect("writes");

    let checked = check(&file);
    let _ = checked.diagnostics.render(false);
    let _ = checked.diagnostics.to_json();
    for diagnostic in checked.diagnostics.list() {
        assert!(!diagnostic.message.is_empty());
        let Some(span) = &diagnostic.place.span else { continue };
        let Ok(text) = fs::read_to_string(&diagnostic.place.file) else { continue };
        assert!(text.get(span.clone()).is_some(), "{span:?} is no part of the file");
    }
    if checked.diagnostics.errors() == 0 {
        assert!(checked.config.is_some());
        assert!(checked.rules.is_none_or(|rules| rules.table.is_some()));
    } else {
        assert!(checked.config.is_none() || checked.rules.is_none_or(|rules| rules.table.is_none()));
    }
});
