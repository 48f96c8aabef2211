//! `portward check`: checks everything before Portward runs with it.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::config::ConfigArg;
use super::terminal::{self, print_line};
use crate::accounts::{self, SERVICE_USER};
use crate::admin::client::ask;
use crate::config::{self, Config, Diagnostic, Diagnostics, Location, Rules, Severity};
use crate::state::{Snapshot, folder, made, overrides};

mod agreement;
mod connect;
mod names;
mod ordinary;

use connect::Connected;
use names::Names;
use ordinary::WithoutKeys;

/// Check the configuration, the rules and the certificates
///
/// Every error and warning is shown with its place. For root the check also names the files that the service's user,
/// portward, cannot read, and the state that it cannot write. For an ordinary user it names the files that only sudo
/// can read, and checks all others. It also shows how each DNS name of a target resolves at present; that is no error,
/// and takes three seconds at most.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    portward check                          everything that `portward run` would read\n  \
    portward check --config portward.toml   the same for another configuration\n  \
    portward check rules/                   a folder of rules alone, or one rules file\n  \
    portward check --connect                and whether every target answers, and shows the right certificate\n  \
    portward check --json                   for programs\n\n\
    Exit codes:\n  \
    0  no error; files that an ordinary user may not read are named and not checked\n  \
    1  there are errors, or portward.toml itself may not be read, so that nothing can be judged,\n     \
       or with --connect a target cannot be used\n  \
    2  wrong usage")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,

    /// Check this instead: a folder of rules, a rules file, or a file named portward.toml
    #[arg(value_name = "PATH", conflicts_with = "config")]
    path: Option<PathBuf>,

    /// Also connect to every port of every target of the enabled hosts, and verify its certificate as for a client
    ///
    /// Every address of a name is tried, 64 at once, each within upstream.connect_timeout. Nothing is sent after the
    /// connection is open
    #[arg(long)]
    connect: bool,

    /// Write an array of objects, one a diagnostic or a name of a target, to standard output; with --connect an object of two such arrays,
    /// diagnostics and targets
    #[arg(long)]
    json: bool,
}

/// What was read and found.
struct Checked {
    /// The name for the last line: `portward.toml`, or `None` if only rules were checked.
    config: Option<PathBuf>,
    rules: Option<Rules>,
    diagnostics: Diagnostics,
    /// The folder of the state, and the socket of the daemon with this configuration, if it runs.
    state: Option<PathBuf>,
    daemon: Option<PathBuf>,
    /// The snapshot that would run, for `--connect`.
    snapshot: Option<Box<Snapshot>>,
    /// What an ordinary user is told about server certificates.
    without_keys: WithoutKeys,
    /// Whether this user may not read the files that were to be checked. Then nothing was checked.
    is_unread: bool,
}

pub(super) fn run(args: Args) -> ExitCode {
    let is_config = |path: &PathBuf| path.file_name().is_some_and(|name| name == "portward.toml");
    let mut checked = match &args.path {
        Some(path) if is_config(path) => check_config(path),
        Some(path) => check_rules(path),
        None => check_config(&args.config.config),
    };
    if checked.diagnostics.is_denied() && ordinary::is_ordinary(checked.state.as_deref()) {
        let found = std::mem::take(&mut checked.diagnostics);
        let without_keys = std::mem::take(&mut checked.without_keys);
        checked.diagnostics = ordinary::told(found, without_keys, &sudo());
        checked.is_unread =
            checked.rules.as_ref().is_none_or(|rules| rules.files == 0) && checked.state.is_none();
    }
    let connected = match connect(&args, &checked) {
        Ok(connected) => connected,
        Err(code) => return ExitCode::from(code),
    };
    let table = checked.snapshot.as_ref().map(|snapshot| &*snapshot.table);
    let table = table.or_else(|| checked.rules.as_ref()?.table.as_ref());
    let names = table.map(Names::of).unwrap_or_default();
    let warnings = table.map(|table| agreement::warnings(table, &names)).unwrap_or_default();
    warnings.into_iter().for_each(|warning| checked.diagnostics.push(warning));
    if args.json {
        let mut found = checked.diagnostics.to_json();
        if let Some(list) = found.as_array_mut() {
            list.extend(names.to_json());
        }
        match &connected {
            Some(connected) => print_line(format_args!(
                "{:#}",
                json!({ "diagnostics": found, "targets": connected.to_json() })
            )),
            None => print_line(format_args!("{found:#}")),
        }
    } else {
        let shown = checked.diagnostics.render(std::io::stderr().is_terminal());
        if !shown.is_empty() {
            terminal::complain(shown.trim_end_matches('\n'));
            terminal::complain("");
        }
        names.show();
        if let Some(connected) = &connected {
            connected.show();
        }
        print_line(summary(&checked));
    }
    let wrong = connected.map_or(0, |connected| connected.failures());
    let good = checked.diagnostics.errors() == 0 && wrong == 0 && !checked.is_unread;
    if good { ExitCode::SUCCESS } else { ExitCode::from(terminal::NO) }
}

/// The result of `--connect`. `None`: it was not asked for, or there are errors.
fn connect(args: &Args, checked: &Checked) -> Result<Option<Connected>, u8> {
    if !args.connect {
        return Ok(None);
    }
    if checked.config.is_none() {
        terminal::complain(
            "--connect wants a configuration, which says whom to trust: portward check --connect --config FILE",
        );
        return Err(terminal::USAGE);
    }
    let Some(snapshot) = &checked.snapshot else {
        terminal::complain("no target was connected to: the configuration has errors");
        return Ok(None);
    };
    if checked.diagnostics.is_denied() {
        terminal::complain(format_args!(
            "targets are judged without what this user may not read, their CA for one: `{}` knows more\n",
            sudo()
        ));
    }
    Connected::try_all(snapshot).map(Some).map_err(|error| {
        terminal::complain(format_args!("error: nothing can be connected to: {error}"));
        terminal::NO
    })
}

/// The same command with `sudo`, for a user who may read everything.
fn sudo() -> String {
    let words = std::env::args().skip(1).map(|word| match word.contains(char::is_whitespace) {
        true => format!("'{word}'"),
        false => word,
    });
    ["sudo".to_owned(), "portward".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// Root may read everything, but the service does not run as root.
fn check_config(path: &Path) -> Checked {
    let mut checked = check_as_we_are(path);
    checked.diagnostics.extend(checked.daemon.iter().flat_map(|socket| in_use_though_gone(socket)));
    if rustix::process::geteuid().is_root()
        && let Some(user) = accounts::user(SERVICE_USER)
        && let Ok(service) = accounts::acting_as(&user, || check_as_we_are(path).diagnostics)
    {
        let known = checked.diagnostics.list().to_vec();
        let is_new = |one: &&Diagnostic| !known.contains(one);
        let state = checked.state.as_deref();
        let unreadable = service.list().iter().filter(is_new).filter_map(|found| unreadable(found, state));
        checked.diagnostics.extend(unreadable);
        if let Some(state) = &checked.state
            && let Ok(found) = accounts::acting_as(&user, || folder::warnings(state))
        {
            checked.diagnostics.extend(found.iter().filter(is_new).map(|found| not_stored(found, state)));
        }
    }
    checked
}

/// State that the service's user cannot keep. It is an error for root, who can correct it. The service itself only
/// warns about it.
fn not_stored(found: &Diagnostic, state: &Path) -> Diagnostic {
    let mut error = found.clone();
    error.severity = Severity::Error;
    error.denied = false;
    error.message = format!("the service's user, {SERVICE_USER}: {}", found.message);
    error.help(format!("chown -R {SERVICE_USER}:{SERVICE_USER} {}", state.display()))
}

/// Things that the running daemon uses although their files no longer exist. The files themselves do not show that.
fn in_use_though_gone(socket: &Path) -> Vec<Diagnostic> {
    let Ok(status) = ask(socket, "GET", "/v1/status", None) else { return Vec::new() };
    let gone = status.get("gone").and_then(serde_json::Value::as_array).into_iter().flatten();
    let text = |one: &serde_json::Value, key: &str| one.get(key)?.as_str().map(str::to_owned);
    let warning = |one: &serde_json::Value| {
        let message = format!("the running daemon: {}", text(one, "message")?);
        let warning = Diagnostic::warning(message, Location::whole(text(one, "file")?));
        Some(match text(one, "help") {
            Some(help) => warning.help(help),
            None => warning,
        })
    };
    gone.filter_map(warning).collect()
}

/// A fault that only the service's user has found, because it may not read a file that root may read.
fn unreadable(found: &Diagnostic, state: Option<&Path>) -> Option<Diagnostic> {
    (found.severity == Severity::Error).then(|| {
        if let Some(state) = state.filter(|state| found.place.file.starts_with(state)) {
            return not_stored(found, state);
        }
        let mut error = found.clone();
        error.denied = false;
        error.message = format!("the service's user, {SERVICE_USER}: {}", found.message);
        error.help("root:portward with mode 0640, folders 0750, is what the service reads")
    })
}

fn check_as_we_are(path: &Path) -> Checked {
    let config::Checked { config, mut rules, mut diagnostics } = config::check(path);
    let mut table = rules.as_mut().and_then(|rules| rules.table.take());
    let daemon = config.as_ref().map(|config| config.admin.socket.clone());
    let state = config.as_ref().map(|config| config.state.clone());
    let unusable = state.as_deref().and_then(folder::unusable);
    let own = state.as_deref().filter(|state| unusable.is_none() && folder::is_of_concern(state));
    diagnostics.extend(unusable);
    diagnostics.extend(own.map(folder::warnings).unwrap_or_default());
    if let (Some(state), Some(config), Some(rules), Some(table)) = (own, &config, &rules, &mut table) {
        let ground = made::Ground { foundation: &rules.foundation, config };
        diagnostics.append(made::judge(ground, table));
        diagnostics.append(overrides::apply(state, table, None));
    }
    let (mut snapshot, mut without_keys) = (None, WithoutKeys::default());
    if let (Some(config), Some(table)) = (config, table) {
        let (ready, found) = Snapshot::new(config, table, None);
        without_keys = ordinary::without_keys(&found, &ready.config, &ready.table);
        snapshot = Some(Box::new(ready));
        diagnostics.append(found);
    }
    Checked {
        config: Some(path.to_owned()),
        rules,
        diagnostics,
        state,
        daemon,
        snapshot,
        without_keys,
        is_unread: false,
    }
}

/// Checks rules alone, as if beside an empty portward.toml.
fn check_rules(path: &Path) -> Checked {
    let mut rules = config::load_rules(path, &Config::defaults(Path::new("portward.toml")));
    let diagnostics = std::mem::take(&mut rules.diagnostics);
    Checked {
        config: None,
        rules: Some(rules),
        diagnostics,
        state: None,
        daemon: None,
        snapshot: None,
        without_keys: WithoutKeys::default(),
        is_unread: false,
    }
}

/// The last line, such as `checked portward.toml, 3 rule files, 6 hosts: no errors, 1 warning`.
fn summary(checked: &Checked) -> String {
    let mut read: Vec<String> = checked.config.iter().map(|path| path.display().to_string()).collect();
    if let Some(rules) = &checked.rules {
        read.push(count(rules.files, "rule file"));
        read.push(count(rules.hosts, "host"));
        // Most rules have no tenants.
        if rules.tenants > 0 {
            read.push(count(rules.tenants, "tenant"));
        }
    }
    let errors = count(checked.diagnostics.errors(), "error");
    let list = checked.diagnostics.list();
    let denied = list.iter().filter(|one| one.denied && one.severity == Severity::Warning).count();
    let warnings = count(checked.diagnostics.warnings() - denied, "warning");
    let unread = match denied {
        0 => String::new(),
        _ => format!("; what this user may not read was not judged, `{}` reads all", sudo()),
    };
    if checked.is_unread {
        return format!("checked nothing{unread}");
    }
    format!("checked {}: {errors}, {warnings}{unread}", read.join(", "))
}

fn count(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
