//! Users and groups of this machine, by name (passwd(5), group(5)). An action can be carried out with the rights of one
//! of these users.
//!
//! The users and groups that the packages create are in these files (sysusers.d(5)). Other sources of names are not
//! asked.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// The service's own user, whose group reads keys (systemd/portward.sysusers).
pub const SERVICE_USER: &str = "portward";
/// The group whose members may administer the running daemon. The service's user and root may do so as well.
pub const ADMINISTRATORS: &str = "portward-admin";

/// The person or program that administers the running daemon, and the way by which its request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Administrator {
    /// A user of this machine, over the socket.
    User {
        /// The user's number, where the kernel knows it (unix(7), `SO_PEERCRED`).
        user: Option<u32>,
    },
    /// A program with the token, over `admin.listen`.
    Token {
        /// The program's address.
        ip: IpAddr,
        /// The program's port.
        port: u16,
    },
    /// A browser that has logged in, over `admin.listen`.
    Session {
        /// The browser's address.
        ip: IpAddr,
        /// The browser's port.
        port: u16,
    },
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { user: Some(user) } => match name_of_user(*user) {
                Some(name) => write!(f, "an administrator (user {user}, {name})"),
                None => write!(f, "an administrator (user {user})"),
            },
            Self::User { user: None } => f.write_str("an administrator"),
            Self::Token { ip, port } => {
                write!(f, "an administrator (token, from {})", SocketAddr::new(*ip, *port))
            }
            Self::Session { ip, port } => {
                write!(f, "an administrator (session, from {})", SocketAddr::new(*ip, *port))
            }
        }
    }
}

/// A user with all its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

/// The number of a group.
pub fn group(name: &str) -> Option<u32> {
    number_of_group(&fs::read_to_string("/etc/group").ok()?, name)
}

/// The name of a user.
pub fn name(uid: u32) -> Option<String> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    // passwd(5): name, password, number.
    let user = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut named = user.filter(|user| user.get(2).and_then(|number| number.parse().ok()) == Some(uid));
    named.next()?.first().map(|name| (*name).to_owned())
}

/// A user by name.
pub fn user(name: &str) -> Option<User> {
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    find_user(&users, &groups, name)
}

/// The name of a user, by its number.
pub fn name_of_user(uid: u32) -> Option<String> {
    find_name(&fs::read_to_string("/etc/passwd").ok()?, uid)
}

/// Calls `what` with the rights of `user`, on a thread of its own. So the kernel itself decides what that user may do,
/// and access control lists count. Only root can do this.
///
/// # Errors
/// If this process may not become `user`.
pub fn acting_as<T: Send>(user: &User, what: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let acting = scope.spawn(|| {
            // These calls change the calling thread alone. The C library's calls would change all threads.
            let groups: Vec<_> = user.groups.iter().map(|group| Gid::from_raw(*group)).collect();
            let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
            set_thread_groups(&groups)?;
            set_thread_res_gid(gid, gid, gid)?;
            set_thread_res_uid(uid, uid, uid)?;
            Ok(what())
        });
        acting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn number_of_group(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find(|line| line.split(':').next() == Some(name))?.split(':').nth(2)?.parse().ok()
}

fn find_name(users: &str, uid: u32) -> Option<String> {
    let is_its = |line: &&str| line.split(':').nth(2).is_some_and(|field| field.parse() == Ok(uid));
    users.lines().find(is_its)?.split(':').next().map(str::to_owned)
}

fn find_user(users: &str, groups: &str, name: &str) -> Option<User> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut numbers = line.split(':').skip(2).map(|field| field.parse().ok());
    let (uid, gid) = (numbers.next()??, numbers.next()??);
    let member =
        |line: &&str| line.split(':').nth(3).is_some_and(|list| list.split(',').any(|one| one == name));
    let more = groups.lines().filter(member).filter_map(|line| line.split(':').nth(2)?.parse::<u32>().ok());
    let mut groups = vec![gid];
    groups.extend(more.filter(|group| *group != gid));
    Some(User { uid, gid, groups })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, chown};

    const GROUPS: &str =
        "root:x:0:\nportward:x:990:\nportward-admin:x:989:portward,alice\nno:x:9:portward2\n";
    const USERS: &str =
        "root:x:0:0::/root:/bin/sh\nportward:x:991:990:Portward:/var/lib/portward:/usr/sbin/nologin\n";

    #[test]
    fn a_number_has_its_name() {
        assert_eq!(name(0).as_deref(), Some("root"));
        assert_eq!(name(4_000_000_001), None);
    }

    #[test]
    fn names_are_found() {
        assert_eq!(number_of_group(GROUPS, "portward-admin"), Some(989));
        assert_eq!(number_of_group(GROUPS, "port"), None);
        let found = User { uid: 991, gid: 990, groups: vec![990, 989] };
        assert_eq!(find_user(USERS, GROUPS, "portward"), Some(found));
        assert_eq!(find_name(USERS, 991).as_deref(), Some("portward"));
        assert_eq!(find_name(USERS, 99), None);
        assert_eq!(find_user(USERS, GROUPS, "nobody"), None);
        assert_eq!(find_user("portward:x:broken", GROUPS, "portward"), None);
    }

    /// This test needs root. Without root the process cannot become another user, and the test ends here.
    #[test]
    fn the_kernel_says_what_another_user_may() {
        let user = User { uid: 64_000, gid: 64_001, groups: vec![64_001, 64_002] };
        if !rustix::process::geteuid().is_root() {
            assert!(acting_as(&user, || ()).is_err());
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let file = dir.path().join("key");
        fs::write(&file, "secret").unwrap();
        let readable_with = |mode, group| {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            chown(&file, Some(0), Some(group)).unwrap();
            acting_as(&user, || fs::read(&file).is_ok()).unwrap()
        };
        assert!(readable_with(0o640, 64_001));
        assert!(readable_with(0o640, 64_002));
        assert!(!readable_with(0o640, 0));
        assert!(!readable_with(0o600, 64_001));
        assert!(readable_with(0o644, 0));
        assert!(rustix::process::geteuid().is_root(), "only that thread had the rights of another user");
        assert!(fs::read(&file).is_ok());
    }
}
