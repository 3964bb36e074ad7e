//! The number under which epoll knows each descriptor. Numbers of clients and sessions are never used twice, so an event that
//! was fetched before its descriptor was closed finds nobody.

use crate::model::{LogStream, SessionId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    Signals,
    Listener,
    Peer(u32),
    Output(SessionId, LogStream),
    Input(SessionId),
    Process(SessionId),
    Memory,
    /// What the container's connections have to do by themselves.
    Wire,
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        let (kind, id) = match token {
            Token::Signals => (0, 0),
            Token::Listener => (1, 0),
            Token::Peer(id) => (2, id),
            Token::Output(session, LogStream::Stdout) => (3, session.0),
            Token::Output(session, LogStream::Stderr) => (4, session.0),
            Token::Input(session) => (5, session.0),
            Token::Process(session) => (6, session.0),
            Token::Memory => (7, 0),
            Token::Wire => (8, 0),
        };
        kind << 32 | Self::from(id)
    }
}

impl Token {
    /// The token that a number came from.
    pub fn of(number: u64) -> Option<Self> {
        let id = u32::try_from(number & u64::from(u32::MAX)).ok()?;
        Some(match number >> 32 {
            0 => Self::Signals,
            1 => Self::Listener,
            2 => Self::Peer(id),
            3 => Self::Output(SessionId(id), LogStream::Stdout),
            4 => Self::Output(SessionId(id), LogStream::Stderr),
            5 => Self::Input(SessionId(id)),
            6 => Self::Process(SessionId(id)),
            7 => Self::Memory,
            8 => Self::Wire,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_survives_the_way_through_epoll() {
        let session = SessionId(u32::MAX);
        for token in [
            Token::Signals,
            Token::Listener,
            Token::Peer(7),
            Token::Output(session, LogStream::Stdout),
            Token::Output(session, LogStream::Stderr),
            Token::Input(session),
            Token::Process(SessionId::MAIN),
            Token::Memory,
            Token::Wire,
        ] {
            assert_eq!(Token::of(token.into()), Some(token));
        }
        assert_eq!(Token::of(u64::MAX), None);
    }
}
