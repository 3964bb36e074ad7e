//! `--change`: the Dockerfile lines that `import` takes.

use crate::image::{ImageError, Result};
use crate::model::{ImageConfig, Signal};

/// The configuration with all changes made in their order.
pub(in crate::image) fn apply(mut config: ImageConfig, changes: &[String]) -> Result<ImageConfig> {
    for text in changes {
        let refused = |reason: String| ImageError::Change { text: text.clone(), reason };
        let (word, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        one(&mut config, &word.to_ascii_uppercase(), rest.trim()).map_err(refused)?;
    }
    Ok(config)
}

fn one(config: &mut ImageConfig, word: &str, rest: &str) -> std::result::Result<(), String> {
    let known = ["CMD", "ENTRYPOINT", "ENV", "WORKDIR", "USER", "LABEL", "EXPOSE", "STOPSIGNAL", "VOLUME"];
    if !known.contains(&word) {
        return Err(format!("{word} cannot be changed"));
    }
    if rest.is_empty() && !matches!(word, "CMD" | "ENTRYPOINT") {
        return Err(format!("{word} needs a value"));
    }
    match word {
        "CMD" => config.command = command(rest)?,
        "ENTRYPOINT" => config.entrypoint = command(rest)?,
        "ENV" => {
            for (key, value) in pairs(rest)? {
                config.env.retain(|other| other.split('=').next() != Some(key.as_str()));
                config.env.push(format!("{key}={value}"));
            }
        }
        "LABEL" => config.labels.extend(pairs(rest)?),
        "WORKDIR" => {
            let base = config.workdir.as_deref().unwrap_or("/").trim_end_matches('/');
            config.workdir = Some(if rest.starts_with('/') { rest.to_owned() } else { format!("{base}/{rest}") });
        }
        "USER" => config.user = Some(rest.to_owned()),
        "STOPSIGNAL" => {
            rest.parse::<Signal>().map_err(|error| error.to_string())?;
            config.stop_signal = Some(rest.to_owned());
        }
        "EXPOSE" => {
            for port in words(rest)? {
                config.exposed_ports.push(exposed(&port)?);
            }
        }
        _ => config.volumes.extend(if rest.starts_with('[') { json(rest)? } else { words(rest)? }),
    }
    Ok(())
}

/// The JSON form as it is; the other is a shell's line, as in a Dockerfile.
fn command(rest: &str) -> std::result::Result<Vec<String>, String> {
    match rest {
        "" => Ok(Vec::new()),
        _ if rest.starts_with('[') => json(rest),
        _ => Ok(["/bin/sh", "-c", rest].map(str::to_owned).to_vec()),
    }
}

fn json(rest: &str) -> std::result::Result<Vec<String>, String> {
    serde_json::from_str(rest).map_err(|_| "what begins with [ must be a JSON list of strings".to_owned())
}

/// `80`, `80/udp`, with `/tcp` added where nothing is said.
fn exposed(text: &str) -> std::result::Result<String, String> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let valid = port.parse::<u16>().is_ok_and(|port| port > 0) && matches!(protocol, "tcp" | "udp" | "sctp");
    if valid { Ok(format!("{port}/{protocol}")) } else { Err(format!("{text} is no port such as 80 or 53/udp")) }
}

/// `a=b c="d e"`, or the old form of one pair, `a b c`.
fn pairs(rest: &str) -> std::result::Result<Vec<(String, String)>, String> {
    let words = words(rest)?;
    if !words[0].contains('=') {
        let (key, value) = rest.split_once(char::is_whitespace).ok_or("it has a key but no value")?;
        return Ok(vec![(key.to_owned(), value.trim().to_owned())]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{word} is no pair such as key=value")),
    };
    words.into_iter().map(pair).collect()
}

/// Words divided by blanks, with quotes and backslashes as a shell reads them. Never empty for a text that is not.
fn words(text: &str) -> std::result::Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (Some(open), close) if open == close => quote = None,
            (None | Some('"'), '\\') => {
                word.get_or_insert_default().push(characters.next().ok_or("it ends with a backslash")?);
            }
            _ => word.get_or_insert_default().push(character),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(changes: &[&str]) -> Result<ImageConfig> {
        apply(ImageConfig::default(), &changes.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn changes_of_every_sort_are_made() {
        let config = changed(&[
            r#"CMD ["/bin/sh", "-l"]"#,
            "entrypoint tini -- $X",
            r#"ENV A=1 B="two words" C=a\ b"#,
            "ENV A 3 and more",
            "WORKDIR /srv",
            "WORKDIR data",
            "USER 1000:1000",
            "LABEL a.b=c",
            "EXPOSE 80 53/udp",
            "STOPSIGNAL SIGINT",
            r#"VOLUME ["/a", "/b"]"#,
        ])
        .expect("all known");
        assert_eq!(config.command, ["/bin/sh", "-l"]);
        assert_eq!(config.entrypoint, ["/bin/sh", "-c", "tini -- $X"]);
        assert_eq!(config.env, ["B=two words", "C=a b", "A=3 and more"]);
        assert_eq!(config.workdir.as_deref(), Some("/srv/data"));
        assert_eq!(config.exposed_ports, ["80/tcp", "53/udp"]);
        assert_eq!(config.volumes, ["/a", "/b"]);
        assert_eq!(config.stop_signal.as_deref(), Some("SIGINT"));
        assert_eq!(config.labels["a.b"], "c");
    }

    #[test]
    fn changes_that_mean_nothing_are_refused() {
        for text in [
            "",
            "RUN ls",
            "ENV",
            "ENV A",
            "ENV =x",
            "CMD [1]",
            "EXPOSE x",
            "EXPOSE 0",
            "STOPSIGNAL NOPE",
            "USER",
            "LABEL \"a",
        ] {
            assert!(changed(&[text]).is_err(), "{text:?}");
        }
    }
}
