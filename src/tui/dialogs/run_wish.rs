//! From the run form's texts to a wish for a container, or what is wrong with each text.

use super::network_forms::read_ports;
use super::run_form::Row;
use crate::model::mount_text::parse_any;
use crate::model::{CreateRequest, EndpointWish, Limits, Mount, NetworkMode, parse_bytes, parse_cpus};

/// What a container without a network is said to have, and one with this machine's.
pub const NO_NETWORK: &str = "none";
pub const HOST_NETWORK: &str = "host";

/// What stands in the form.
#[derive(Clone, Debug)]
pub struct Texts {
    pub image: String,
    pub command: String,
    pub name: String,
    pub memory: String,
    pub cpus: String,
    pub volumes: String,
    pub env: String,
    /// [`NO_NETWORK`], [`HOST_NETWORK`], or a network's name.
    pub network: String,
    pub ports: String,
    pub terminal: bool,
    pub auto_remove: bool,
}

/// What is wrong with a field, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub row: Row,
    pub text: String,
}

/// Reads the whole form. An empty text leaves the choice to the image and the engine.
pub fn wish(texts: &Texts) -> Result<CreateRequest, Vec<Problem>> {
    let mut problems = Vec::new();
    let command = check(&mut problems, Row::Command, words(&texts.command)).unwrap_or_default();
    let name = check(&mut problems, Row::Name, optional(&texts.name, |text| text.parse())).flatten();
    let memory_bytes = check(&mut problems, Row::Memory, optional(&texts.memory, memory)).flatten();
    let cpu_milli = check(&mut problems, Row::Cpus, optional(&texts.cpus, parse_cpus)).flatten();
    let mounts = check(&mut problems, Row::Volumes, volumes(&texts.volumes)).unwrap_or_default();
    let env = check(&mut problems, Row::Env, environment(&texts.env)).unwrap_or_default();
    let (network, networks) = match texts.network.as_str() {
        NO_NETWORK => (NetworkMode::None, Vec::new()),
        HOST_NETWORK => (NetworkMode::Host, Vec::new()),
        name => {
            let wish = EndpointWish { network: name.to_owned(), ..EndpointWish::default() };
            (NetworkMode::Networks, vec![wish])
        }
    };
    let ports = check(&mut problems, Row::Ports, read_ports(&texts.ports)).unwrap_or_default();
    if !ports.is_empty() && network != NetworkMode::Networks {
        let text = format!("with the network {} there is nothing to publish: choose another", texts.network);
        problems.push(Problem { row: Row::Ports, text });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(CreateRequest {
        image: texts.image.clone(),
        name,
        // What stands in the form is the whole command line, the image's entry point included.
        entrypoint: (!command.is_empty()).then(Vec::new),
        command,
        env,
        mounts,
        network: Some(network),
        networks,
        ports,
        tty: texts.terminal,
        stdin_open: texts.terminal,
        auto_remove: texts.auto_remove,
        limits: Limits { memory_bytes, cpu_milli, ..Limits::default() },
        ..CreateRequest::default()
    })
}

fn check<T, E: ToString>(problems: &mut Vec<Problem>, row: Row, result: Result<T, E>) -> Option<T> {
    result.map_err(|error| problems.push(Problem { row, text: error.to_string() })).ok()
}

fn optional<T, E>(text: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, E> {
    let text = text.trim();
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

/// The least limit a process can start with; Docker's too.
const LEAST_MEMORY: u64 = 6 << 20;

fn memory(text: &str) -> Result<u64, String> {
    match parse_bytes(text) {
        Ok(bytes) if bytes < LEAST_MEMORY => Err("at least 6m".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(error) => Err(error.to_string()),
    }
}

/// Words as `-v` has them, and as `--mount` has them where they begin with `type=`.
pub(super) fn volumes(text: &str) -> Result<Vec<Mount>, String> {
    let folder = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let parse = |word: String| {
        parse_any(&word, &folder).map_err(|error| match error.hint.is_empty() {
            true => error.why,
            false => format!("{}: {}", error.why, error.hint),
        })
    };
    words(text)?.into_iter().map(parse).collect()
}

fn environment(text: &str) -> Result<Vec<String>, String> {
    let named = |word: &String| word.find('=').is_some_and(|at| at > 0);
    let words = words(text)?;
    match words.iter().find(|word| !named(word)) {
        Some(word) => Err(format!("{word}: write KEY=value")),
        None => Ok(words),
    }
}

/// Words as a POSIX shell divides them: blanks, single and double quotes, backslash. Nothing is expanded.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            c if c.is_whitespace() => words.extend(word.take()),
            '\\' => match characters.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("there is nothing behind the last backslash".to_owned()),
            },
            quote @ ('"' | '\'') => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        None => return Err(format!("a {quote} is not closed")),
                        Some(c) if c == quote => break,
                        Some('\\') if quote == '"' => match characters.next() {
                            Some(next @ ('"' | '\\' | '$' | '`')) => word.push(next),
                            Some(next) => word.extend(['\\', next]),
                            None => return Err(format!("a {quote} is not closed")),
                        },
                        Some(c) => word.push(c),
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// The words written so that they are divided again into the same words.
pub fn join(words: &[String]) -> String {
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "_-./:=,+@%^".contains(c));
    let quoted = |word: &String| {
        if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        Texts {
            image: "host".to_owned(),
            command: String::new(),
            name: String::new(),
            memory: String::new(),
            cpus: String::new(),
            volumes: String::new(),
            env: String::new(),
            network: HOST_NETWORK.to_owned(),
            ports: String::new(),
            terminal: true,
            auto_remove: true,
        }
    }

    #[test]
    fn words_are_divided_as_a_shell_does() {
        assert_eq!(words(r#"sh -c 'echo "a b"' x\ y """#).expect("valid"), ["sh", "-c", "echo \"a b\"", "x y", ""]);
        assert!(words("'open").is_err());
        assert!(words("\\").is_err());
    }

    #[test]
    fn joined_words_divide_again_into_the_same() {
        let original: Vec<String> = ["sh", "-c", "it's \"$HOME\"", "", "a b"].map(str::to_owned).into();
        assert_eq!(words(&join(&original)).expect("valid"), original);
    }

    #[test]
    fn wish_reads_every_field() {
        let request = wish(&Texts {
            memory: "512m".to_owned(),
            cpus: "1.5".to_owned(),
            volumes: "/tmp:/t /etc:/e:ro data:/d type=tmpfs,target=/m".to_owned(),
            env: "A=1 B='x y'".to_owned(),
            ..texts()
        })
        .expect("valid");
        assert_eq!(
            request.limits,
            Limits { memory_bytes: Some(512 << 20), cpu_milli: Some(1500), ..Limits::default() }
        );
        assert_eq!(request.env, ["A=1", "B=x y"]);
        assert!(request.mounts[1].read_only);
        assert_eq!(request.mounts[2].volume_name().map(|name| name.as_str()), Some("data"));
        assert_eq!(request.mounts[3].source.kind(), "tmpfs");
        assert_eq!(request.network, Some(NetworkMode::Host));
    }

    #[test]
    fn wish_says_everything_that_is_wrong_at_once() {
        let problems = wish(&Texts {
            name: "/".to_owned(),
            memory: "1k".to_owned(),
            cpus: "0".to_owned(),
            volumes: "data:inside".to_owned(),
            env: "=x".to_owned(),
            command: "'".to_owned(),
            ports: "80:".to_owned(),
            ..texts()
        })
        .expect_err("all wrong");
        assert_eq!(problems.len(), 7);
    }
}
