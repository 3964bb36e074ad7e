//! What the run form is filled with: a free name in Docker's adjective-surname manner, and the user's shell.

use std::fs;
use std::path::Path;

use rustix::fs::{Access, access};

use super::{Engine, EngineError, Inner, Result};
use crate::model::{HOST_IMAGE, Name};

const ADJECTIVES: &str = include_str!("../../assets/names/adjectives");
/// Scientists and engineers.
const SURNAMES: &str = include_str!("../../assets/names/surnames");
/// How often to look for a name that is free before suggesting one that may not be.
const TRIES: usize = 10;
/// Suggested where the folders cannot be read; creating it will then say why.
const FALLBACK: &str = "calm_lovelace";

impl Engine {
    /// A name that no container has, such as `brave_hopper`. Free now, but not kept for the caller.
    pub fn suggest_name(&self) -> Name {
        self.0.free_random_name().unwrap_or_else(|_| FALLBACK.parse().expect("a constant that is a name"))
    }

    /// The command that a run form suggests for an image: the image's own, for the host image the user's shell. Empty if the image
    /// has none, or is not there.
    pub fn default_command(&self, image: &str) -> Vec<String> {
        if image == HOST_IMAGE {
            return vec![shell()];
        }
        let found = self.0.store().and_then(|store| Ok(store.find(image)?));
        found.map_or_else(
            |_| Vec::new(),
            |found| found.config.entrypoint.into_iter().chain(found.config.command).collect(),
        )
    }

    /// The user's shell on this machine: SHELL if it can be executed, else the user's entry in /etc/passwd, else `/bin/sh`.
    pub fn default_shell(&self) -> String {
        shell()
    }
}

impl Inner {
    fn free_random_name(&self) -> Result<Name> {
        let mut name = self.random_name()?;
        for _ in 0..TRIES {
            if self.named(&name)?.is_none() {
                break;
            }
            name = self.random_name()?;
        }
        Ok(name)
    }

    pub(super) fn random_name(&self) -> Result<Name> {
        let random: [u8; 8] =
            crate::sys::random::bytes().map_err(EngineError::io("read random bytes from", "getrandom".as_ref()))?;
        let (first, second) = random.split_at(4);
        let text = format!("{}_{}", pick(ADJECTIVES, first), pick(SURNAMES, second));
        Ok(text.parse().expect("the lists hold plain lower-case words"))
    }
}

/// One line of the list.
fn pick<'a>(list: &'a str, random: &[u8]) -> &'a str {
    let number = random.iter().fold(0usize, |number, byte| number << 8 | usize::from(*byte));
    let count = list.lines().count();
    list.lines().nth(number % count).expect("the remainder is below the count")
}

pub(super) fn shell() -> String {
    let given = std::env::var("SHELL").ok();
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let own = shell_of(&passwd, rustix::process::getuid().as_raw());
    let usable = |shell: &String| {
        // A system user's shell is there to refuse logins.
        let refuses = ["nologin", "false"].iter().any(|name| Path::new(shell).ends_with(name));
        shell.starts_with('/') && !refuses && access(shell.as_str(), Access::EXEC_OK).is_ok()
    };
    given.filter(usable).or_else(|| own.filter(usable)).unwrap_or_else(|| "/bin/sh".to_owned())
}

/// The last field of the user's line (passwd(5)).
fn shell_of(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.len() == 7 && fields[2].parse() == Ok(uid)).then(|| fields[6].to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn name_lists_hold_distinct_words_fit_for_names() {
        for (list, least) in [(ADJECTIVES, 150), (SURNAMES, 200)] {
            let words: HashSet<&str> = list.lines().collect();
            assert_eq!(words.len(), list.lines().count(), "a word is there twice");
            assert!(words.len() >= least, "{}", words.len());
            assert!(words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase())));
        }
    }

    #[test]
    fn pick_reaches_first_and_last_line() {
        assert_eq!(pick("a\nb\nc\n", &[0, 0, 0, 0]), "a");
        assert_eq!(pick("a\nb\nc\n", &[0, 0, 0, 5]), "c");
    }

    #[test]
    fn shell_of_user_is_the_last_field() {
        let passwd = "root:x:0:0:root:/root:/bin/zsh\nbroken:x:1\nu:x:7:7::/home/u:/bin/fish\n";
        assert_eq!(shell_of(passwd, 7).as_deref(), Some("/bin/fish"));
        assert_eq!(shell_of(passwd, 1), None);
    }
}
