//! `--change`: the lines of a Dockerfile that change a configuration and nothing else, as `import` and `commit` take them.

use std::fmt::Write as _;

use super::words::{expanded, words};
use crate::image::{ImageError, Result};
use crate::model::{Healthcheck, ImageConfig, Signal, parse_duration_ms};

/// What Docker takes, too.
const KNOWN: [&str; 11] = [
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];
/// Ports of one `EXPOSE`: more are a mistake.
const PORTS_MAX: u16 = 1000;

type Changed<T> = std::result::Result<T, String>;

/// The configuration with all changes made in their order.
pub(in crate::image) fn apply(mut config: ImageConfig, changes: &[String]) -> Result<ImageConfig> {
    let mut has_command = false;
    for text in changes {
        let refused = |reason: String| ImageError::Change { text: text.clone(), reason };
        let (word, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
        let word = word.to_ascii_uppercase();
        one(&mut config, &word, rest.trim()).map_err(refused)?;
        // Arguments for another program are of no use to a new one, as Docker sees it.
        has_command |= word == "CMD";
        if word == "ENTRYPOINT" && !has_command {
            config.command.clear();
        }
    }
    Ok(config)
}

fn one(config: &mut ImageConfig, word: &str, rest: &str) -> Changed<()> {
    if !KNOWN.contains(&word) {
        return Err(format!("{word} cannot be changed"));
    }
    if rest.is_empty() && !matches!(word, "CMD" | "ENTRYPOINT") {
        return Err(format!("{word} needs a value"));
    }
    let env = config.env.clone();
    match word {
        "CMD" => config.command = command(config, rest)?,
        "ENTRYPOINT" => config.entrypoint = command(config, rest)?,
        "ENV" => pairs(rest, &env)?.into_iter().for_each(|(key, value)| set(&mut config.env, &key, &value)),
        "LABEL" => config.labels.extend(pairs(rest, &env)?),
        "WORKDIR" => {
            let folder = expanded(rest, &env)?;
            let base = config.workdir.as_deref().unwrap_or("/").trim_end_matches('/');
            config.workdir = Some(if folder.starts_with('/') { folder } else { format!("{base}/{folder}") });
        }
        "USER" => config.user = Some(expanded(rest, &env)?),
        "STOPSIGNAL" => {
            let signal = expanded(rest, &env)?;
            signal.parse::<Signal>().map_err(|error| error.to_string())?;
            config.stop_signal = Some(signal);
        }
        "EXPOSE" => {
            for text in words(rest, &env)? {
                add(&mut config.exposed_ports, ports(&text)?);
            }
        }
        "HEALTHCHECK" => config.healthcheck = healthcheck(config, rest)?,
        "ONBUILD" => config.on_build.push(later(rest)?),
        _ => {
            let list = if rest.starts_with('[') {
                json(rest)?.iter().map(|text| expanded(text, &env)).collect::<Changed<_>>()?
            } else {
                words(rest, &env)?
            };
            add(&mut config.volumes, list);
        }
    }
    Ok(())
}

/// Gives a variable its value, in the place where it stands already.
fn set(env: &mut Vec<String>, key: &str, value: &str) {
    let text = format!("{key}={value}");
    match env.iter_mut().find(|other| other.split('=').next() == Some(key)) {
        Some(place) => *place = text,
        None => env.push(text),
    }
}

fn add(list: &mut Vec<String>, more: Vec<String>) {
    for text in more {
        if !list.contains(&text) {
            list.push(text);
        }
    }
}

/// The JSON form as it is; the other is a shell's line, as in a Dockerfile.
fn command(config: &ImageConfig, rest: &str) -> Changed<Vec<String>> {
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    if rest.starts_with('[') {
        return json(rest);
    }
    let mut words = match config.shell.is_empty() {
        true => ["/bin/sh", "-c"].map(str::to_owned).to_vec(),
        false => config.shell.clone(),
    };
    words.push(rest.to_owned());
    Ok(words)
}

fn json(rest: &str) -> Changed<Vec<String>> {
    serde_json::from_str(rest).map_err(|_| "what begins with [ must be a JSON list of strings".to_owned())
}

/// `80`, `80/udp`, `8000-8010`, with `/tcp` added where nothing is said.
fn ports(text: &str) -> Changed<Vec<String>> {
    let wrong = || format!("{text} is no port such as 80, 53/udp or 8000-8010");
    let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let (Some(first), Some(last)) = (port(first), port(last)) else { return Err(wrong()) };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") || first > last || last - first >= PORTS_MAX {
        return Err(wrong());
    }
    Ok((first..=last).map(|port| format!("{port}/{protocol}")).collect())
}

/// `NONE`, or flags and `CMD` with a command in either form.
fn healthcheck(config: &ImageConfig, rest: &str) -> Changed<Option<Healthcheck>> {
    let mut check = Healthcheck::default();
    let mut rest = rest;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, behind) = flag.split_once(char::is_whitespace).ok_or("it has flags but no CMD")?;
        let (key, value) =
            flag.split_once('=').ok_or_else(|| format!("--{flag} needs a value, such as --retries=3"))?;
        let wrong = || format!("--{key}={value} is no number or duration such as 3 or 30s");
        let nanoseconds = || parse_duration_ms(value).ok().and_then(|ms| ms.checked_mul(1_000_000)).ok_or_else(wrong);
        match key {
            "interval" => check.interval_ns = nanoseconds()?,
            "timeout" => check.timeout_ns = nanoseconds()?,
            "start-period" => check.start_period_ns = nanoseconds()?,
            "start-interval" => check.start_interval_ns = nanoseconds()?,
            "retries" => check.retries = value.parse().map_err(|_| wrong())?,
            _ => {
                return Err(format!(
                    "--{key} is not known; there are interval, timeout, start-period, start-interval, retries"
                ));
            }
        }
        rest = behind.trim_start();
    }
    let (word, line) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let line = line.trim();
    check.test = match (word.to_ascii_uppercase().as_str(), line.is_empty()) {
        ("NONE", true) => vec!["NONE".to_owned()],
        ("CMD", false) if line.starts_with('[') => [vec!["CMD".to_owned()], json(line)?].concat(),
        ("CMD", false) if config.shell.is_empty() => vec!["CMD-SHELL".to_owned(), line.to_owned()],
        ("CMD", false) => [vec!["CMD".to_owned()], command(config, line)?].concat(),
        _ => return Err("it is NONE, or CMD and a command".to_owned()),
    };
    Ok(Some(check))
}

/// A line for whoever builds upon the image.
fn later(rest: &str) -> Changed<String> {
    let (word, line) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let word = word.to_ascii_uppercase();
    if matches!(word.as_str(), "ONBUILD" | "FROM" | "MAINTAINER") {
        return Err(format!("{word} cannot stand behind ONBUILD"));
    }
    let mut text = word;
    let _ = write!(text, " {}", line.trim());
    Ok(text.trim_end().to_owned())
}

/// `a=b c="d e"`, or the old form of one pair, `a b c`.
fn pairs(rest: &str, env: &[String]) -> Changed<Vec<(String, String)>> {
    let first = rest.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let (key, value) = rest.split_once(char::is_whitespace).ok_or("it has a key but no value")?;
        return Ok(vec![(expanded(key, env)?, expanded(value.trim(), env)?)]);
    }
    let pair = |word: String| match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{word} is no pair such as key=value")),
    };
    words(rest, env)?.into_iter().map(pair).collect()
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
            "EXPOSE 80 53/udp 80",
            "EXPOSE 8000-8002/TCP",
            "STOPSIGNAL SIGINT",
            r#"VOLUME ["/a", "/b"]"#,
            "VOLUME /a /c",
            "HEALTHCHECK --interval=5s --timeout=1m30s --retries=3 CMD curl -f localhost || exit 1",
            "ONBUILD run  make install",
        ])
        .expect("all known");
        assert_eq!(config.command, ["/bin/sh", "-l"]);
        assert_eq!(config.entrypoint, ["/bin/sh", "-c", "tini -- $X"]);
        assert_eq!(config.env, ["A=3 and more", "B=two words", "C=a b"]);
        assert_eq!(config.workdir.as_deref(), Some("/srv/data"));
        assert_eq!(config.exposed_ports, ["80/tcp", "53/udp", "8000/tcp", "8001/tcp", "8002/tcp"]);
        assert_eq!(config.volumes, ["/a", "/b", "/c"]);
        assert_eq!(config.stop_signal.as_deref(), Some("SIGINT"));
        assert_eq!(config.labels["a.b"], "c");
        let check = config.healthcheck.expect("a check");
        assert_eq!(check.test, ["CMD-SHELL", "curl -f localhost || exit 1"]);
        assert_eq!((check.interval_ns, check.timeout_ns, check.retries), (5_000_000_000, 90_000_000_000, 3));
        assert_eq!(config.on_build, ["RUN make install"]);
    }

    #[test]
    fn variables_of_the_configuration_are_put_in_where_docker_does() {
        let config = changed(&[
            "ENV DIR=/srv NAME=web",
            "WORKDIR $DIR/${NAME}",
            r"ENV A=${NAME:-none} B=${OTHER:-none} C=${NAME:+set} D='$NAME' E=\$NAME F=$OTHER",
            "LABEL name=$NAME",
            "EXPOSE ${PORT:-80}",
            "USER ${NAME}",
            r#"VOLUME ["$DIR"]"#,
            "CMD echo $NAME",
        ])
        .expect("all known");
        assert_eq!(config.workdir.as_deref(), Some("/srv/web"));
        assert_eq!(config.env[2..], ["A=web", "B=none", "C=set", "D=$NAME", "E=$NAME", "F="]);
        assert_eq!(config.labels["name"], "web");
        assert_eq!(config.exposed_ports, ["80/tcp"]);
        assert_eq!(config.user.as_deref(), Some("web"));
        assert_eq!(config.volumes, ["/srv"]);
        assert_eq!(config.command[2], "echo $NAME", "that is the shell's to do");
    }

    #[test]
    fn entrypoint_takes_the_command_of_the_image_before_with_it() {
        let base = ImageConfig { command: vec!["old".to_owned()], ..ImageConfig::default() };
        let changes = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let config = apply(base.clone(), &changes(&[r#"ENTRYPOINT ["/x"]"#])).expect("known");
        assert!(config.command.is_empty());
        let config = apply(base, &changes(&[r#"CMD ["y"]"#, r#"ENTRYPOINT ["/x"]"#])).expect("known");
        assert_eq!(config.command, ["y"]);
    }

    #[test]
    fn healthcheck_forms_are_docker_s() {
        let test = |text: &str| changed(&[text]).expect(text).healthcheck.expect("a check").test;
        assert_eq!(test("HEALTHCHECK NONE"), ["NONE"]);
        assert_eq!(test(r#"HEALTHCHECK CMD ["a", "b"]"#), ["CMD", "a", "b"]);
        for text in
            ["HEALTHCHECK CMD", "HEALTHCHECK NONE x", "HEALTHCHECK --retries=x CMD a", "HEALTHCHECK --what=1 CMD a"]
        {
            assert!(changed(&[text]).is_err(), "{text:?}");
        }
    }

    #[test]
    fn changes_that_mean_nothing_are_refused() {
        for text in [
            "",
            "RUN ls",
            "ENV",
            "ENV A",
            "ENV =x",
            "ENV A=${B",
            "CMD [1]",
            "EXPOSE x",
            "EXPOSE 0",
            "EXPOSE 90-80",
            "EXPOSE 1-65535",
            "STOPSIGNAL NOPE",
            "USER",
            "LABEL \"a",
            "ONBUILD FROM x",
        ] {
            assert!(changed(&[text]).is_err(), "{text:?}");
        }
    }
}
