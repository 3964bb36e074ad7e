//! `login` and `logout`: names and passwords of registries, asked for without an echo.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use clap::Args;
use rustix::event::{PollFd, PollFlags, poll};

use super::failure::{Failure, Outcome};
use super::output::Output;
use super::pull::{catch, runtime};
use super::terminal::{RawMode, Signals};
use crate::engine::Engine;

/// Store a name and password for a registry.
#[derive(Args, Clone, Debug)]
pub struct Login {
    /// The user's name
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// The password or access token; others may see it in the list of processes
    #[arg(short, long, value_name = "PASSWORD", conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Docker Hub if none
    #[arg(value_name = "SERVER", default_value = "docker.io", hide_default_value = true)]
    server: String,
}

/// Forget the name and password for a registry.
#[derive(Args, Clone, Debug)]
pub struct Logout {
    /// Docker Hub if none
    #[arg(value_name = "SERVER", default_value = "docker.io", hide_default_value = true)]
    server: String,
}

/// The longest password that is read.
const PASSWORD_MAX: u64 = 64 << 10;

pub fn login(engine: &Engine, wish: &Login) -> Outcome {
    let server = server(&wish.server);
    if wish.password.is_some() {
        let _ = writeln!(
            io::stderr(),
            "warning: a password on the command line can be seen by others; --password-stdin hides it"
        );
    }
    if wish.password_stdin && wish.username.is_none() {
        return Err(Failure::usage("--password-stdin needs a name: give --username as well"));
    }
    let user = match &wish.username {
        Some(user) => user.trim().to_owned(),
        None => ask("Username: ", Echo::On)?,
    };
    if user.is_empty() {
        return Err(Failure::usage("a user's name is needed"));
    }
    let password = match &wish.password {
        Some(password) => password.clone(),
        None if wish.password_stdin => piped_password()?,
        None => ask("Password: ", Echo::Off)?,
    };
    if password.is_empty() {
        return Err(Failure::usage("a password is needed"));
    }
    let runtime = runtime()?;
    let done = runtime.block_on(engine.login(server, &user, &password));
    runtime.shutdown_background();
    let done = done?;
    if done.is_plain {
        let _ = writeln!(
            io::stderr(),
            "the password lies unencrypted in {}; a credential helper (credsStore) would hide it",
            done.kept_in
        );
    }
    let mut out = Output::open();
    out.line("Login Succeeded")?;
    out.flush()?;
    Ok(0)
}

pub fn logout(engine: &Engine, wish: &Logout) -> Outcome {
    let server = server(&wish.server);
    let there_was = engine.logout(server)?;
    let mut out = Output::open();
    match there_was {
        true => out.line(&format!("Removing login credentials for {server}"))?,
        false => out.line(&format!("Not logged in to {server}"))?,
    }
    out.flush()?;
    Ok(0)
}

/// What people copy from a browser: `https://registry.lan:5000/v2/`.
fn server(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

fn piped_password() -> Result<String, Failure> {
    let mut text = String::new();
    let read = io::stdin().lock().take(PASSWORD_MAX).read_to_string(&mut text);
    read.map_err(|error| Failure::new(format!("reading the password: {error}")))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Echo {
    On,
    Off,
}

/// Asks on the terminal; the question goes to stderr, so that stdout has the answer of the command only.
fn ask(question: &str, echo: Echo) -> Result<String, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::usage("there is no terminal to ask on")
            .with_hint("give --username and --password-stdin, as in: pass show registry | teu login -u me --password-stdin registry.lan:5000"));
    }
    let put = || {
        let mut err = io::stderr();
        let _ = err.write_all(question.as_bytes()).and_then(|()| err.flush());
    };
    let text = match echo {
        Echo::On => {
            put();
            let mut line = String::new();
            stdin.lock().read_line(&mut line)?;
            line.trim().to_owned()
        }
        Echo::Off => read_unseen(put)?,
    };
    Ok(text)
}

/// A line from the terminal that shows nothing of it. The terminal is as before on every way out, signals included.
fn read_unseen(ask: impl FnOnce()) -> Result<String, Failure> {
    let mut signals = catch()?;
    // First the echo goes, then comes the question: who answers fast is not seen either.
    let raw = RawMode::enter()?;
    ask();
    let line = read_line(&mut signals);
    drop(raw);
    let _ = io::stderr().write_all(b"\n");
    line
}

fn read_line(signals: &mut Signals) -> Result<String, Failure> {
    let mut line = Line::default();
    let stdin = io::stdin();
    loop {
        let mut fds = [PollFd::new(&stdin, PollFlags::IN), PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let (typed, signalled) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
        if signalled && let Some(signal) = signals.next()? {
            match signal.number() {
                libc::SIGWINCH | libc::SIGCONT => {}
                number => return Err(Failure::silent(128 + u8::try_from(number).unwrap_or(0))),
            }
        }
        if !typed {
            continue;
        }
        let mut bytes = [0; 256];
        let read = rustix::io::read(&stdin, &mut bytes).map_err(io::Error::from)?;
        if read == 0 {
            return Err(Failure::silent(1));
        }
        for byte in &bytes[..read] {
            match line.take(*byte) {
                Typed::More => {}
                Typed::Line => return line.text(),
                Typed::Stop => return Err(Failure::silent(130)),
            }
        }
    }
}

/// A line that is being typed, with the terminal's usual keys.
#[derive(Default)]
struct Line(Vec<u8>);

#[derive(Debug, PartialEq, Eq)]
enum Typed {
    More,
    Line,
    Stop,
}

impl Line {
    fn take(&mut self, byte: u8) -> Typed {
        match byte {
            b'\r' | b'\n' => return Typed::Line,
            // Ctrl-C, and Ctrl-D on an empty line.
            3 => return Typed::Stop,
            4 if self.0.is_empty() => return Typed::Stop,
            4 => return Typed::Line,
            // Backspace, in both of its codes: one whole character.
            8 | 127 => while self.0.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // Ctrl-U.
            21 => self.0.clear(),
            _ => self.0.push(byte),
        }
        Typed::More
    }

    fn text(&self) -> Result<String, Failure> {
        String::from_utf8(self.0.clone()).map_err(|_| Failure::new("the password is no UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_of_an_address_is_its_host() {
        for (text, expected) in [
            ("docker.io", "docker.io"),
            ("https://index.docker.io/v1/", "index.docker.io"),
            ("registry.lan:5000", "registry.lan:5000"),
            ("http://registry.lan:5000/v2/", "registry.lan:5000"),
        ] {
            assert_eq!(server(text), expected);
        }
    }

    #[test]
    fn unseen_line_knows_the_usual_keys() {
        let typed = |bytes: &[u8]| {
            let mut line = Line::default();
            let last = bytes.iter().map(|byte| line.take(*byte)).last();
            (last, line.text().expect("UTF-8"))
        };
        assert_eq!(typed(b"secret\r"), (Some(Typed::Line), "secret".to_owned()));
        assert_eq!(typed("aü\u{7f}b".as_bytes()).1, "ab");
        assert_eq!(typed(b"wrong\x15right\n").1, "right");
        assert_eq!(typed(b"x\x03").0, Some(Typed::Stop));
        assert_eq!(typed(b"\x04").0, Some(Typed::Stop));
    }
}
