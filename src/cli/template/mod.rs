//! The part of Go's template language that people use with `--format`: fields, pipes, if, range, with, functions.
//!
//! Refused with a clear error: `define`, `template`, `block`, `break`, `continue`, reassigned variables.

mod evaluate;
mod functions;
mod parse;
mod token;

use std::collections::BTreeMap;

use serde_json::Value;

/// A template, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    nodes: Vec<Node>,
}

/// What a template is filled from.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The value that `.` stands for.
    pub fields: &'a Value,
    /// What `.Label "key"` looks in.
    pub labels: Option<&'a BTreeMap<String, String>>,
}

/// Why a template cannot be read or filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template: {0}")]
pub struct TemplateError(String);

impl Template {
    /// Fills the template from `subject`.
    pub fn fill(&self, subject: Subject<'_>) -> Result<String, TemplateError> {
        evaluate::fill(&self.nodes, subject)
    }
}

impl std::str::FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { nodes: parse::parse(text)? })
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(String),
    Print(Pipeline),
    /// `$name := pipeline`
    Assign(String, Pipeline),
    /// `if`, each `else if` as a nested one.
    If {
        condition: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    With {
        value: Pipeline,
        then: Vec<Node>,
        otherwise: Vec<Node>,
    },
    Range {
        key: Option<String>,
        element: Option<String>,
        over: Pipeline,
        each: Vec<Node>,
        otherwise: Vec<Node>,
    },
}

/// Commands divided by `|`; each one's value is the last argument of the next.
#[derive(Clone, Debug, PartialEq)]
struct Pipeline(Vec<Vec<Operand>>);

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Literal(Value),
    /// `.A.B`; without names `.` itself.
    Field(Vec<String>),
    /// `$x.A.B`; the name is empty for `$`.
    Variable(String, Vec<String>),
    Function(String),
    /// `(pipeline).A.B`
    Group(Pipeline, Vec<String>),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(template: &str, fields: &Value) -> Result<String, TemplateError> {
        template.parse::<Template>()?.fill(Subject { fields, labels: None })
    }

    #[test]
    fn templates_people_use_give_what_docker_gives() {
        let value = json!({
            "ID": "0123456789abcdef", "Names": "web", "Empty": "", "Pid": 7, "Running": true,
            "State": {"Status": "running", "ExitCode": 0},
            "Config": {"Env": ["A=1", "B=2"], "Labels": {"b": "2", "a.x": "1"}},
            "Mounts": [{"Source": "/a"}, {"Source": "/b"}],
        });
        for (template, expected) in [
            ("{{.Names}}", "web"),
            ("{{ .Names }}: {{.State.Status}}", "web: running"),
            ("{{json .State}}", r#"{"ExitCode":0,"Status":"running"}"#),
            ("{{.Names | upper}} {{lower \"AbC\"}} {{title .Names}}", "WEB abc Web"),
            ("{{join .Config.Env \",\"}}", "A=1,B=2"),
            ("{{.Config.Env}} {{.Config.Labels}}", "[A=1 B=2] map[a.x:1 b:2]"),
            ("{{range .Config.Env}}<{{.}}>{{end}}", "<A=1><B=2>"),
            ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a.x=1;b=2;"),
            ("{{range $i, $m := .Mounts}}{{$i}}{{$m.Source}} {{end}}", "0/a 1/b "),
            ("{{range .Missing}}x{{else}}none{{end}}", "none"),
            ("{{index .Config.Labels \"a.x\"}}", "1"),
            ("{{(index .Mounts 1).Source}}", "/b"),
            ("{{index .Config.Env 1}}", "B=2"),
            ("{{if .Running}}up{{else}}down{{end}}", "up"),
            ("{{if .Empty}}x{{else if eq .Pid 7}}seven{{end}}", "seven"),
            ("{{if and .Running (ne .State.Status \"paused\")}}ok{{end}}", "ok"),
            ("{{if not .Running}}x{{end}}{{or .Empty .Names}}", "web"),
            ("{{with .State}}{{.Status}} {{$.Names}}{{end}}", "running web"),
            ("{{len .Config.Env}} {{len .Names}}", "2 3"),
            ("{{printf \"%.5s %-6s|%3d|%v|%q\" .ID .Names .Pid .Running .Names}}", "01234 web   |  7|true|\"web\""),
            ("{{slice .ID 0 4}} {{truncate .ID 3}} {{pad .Names 1 2}}|", "0123 012  web  |"),
            ("{{index (split .ID \"5\") 0}}", "01234"),
            ("a {{- .Names -}} b", "awebb"),
            ("{{/* note */}}{{$x := .Pid}}{{$x}}", "7"),
            ("{{\"{{\"}}{{`a\"b`}}{{'c'}}", "{{a\"b99"),
            ("{{.Config.Labels.nope}}", "<no value>"),
            ("{{println .Names .Pid}}", "web 7\n"),
            ("{{gt .Pid 6}} {{le .Pid 6}} {{eq .Names \"a\" \"web\"}}", "true false true"),
        ] {
            let value = match template.contains(".Missing") {
                true => json!({"Missing": []}),
                false => value.clone(),
            };
            assert_eq!(fill(template, &value).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn label_function_looks_in_the_labels() {
        let labels = BTreeMap::from([("com.x".to_owned(), "y".to_owned())]);
        let template: Template = "{{.Label \"com.x\"}}-{{.Label \"no\"}}-".parse().expect("parses");
        let filled = template.fill(Subject { fields: &json!({"Labels": "com.x=y"}), labels: Some(&labels) });
        assert_eq!(filled.as_deref(), Ok("y--"));
    }

    #[test]
    fn broken_templates_say_what_is_wrong() {
        let value = json!({"Names": "web", "State": {"Status": "x"}});
        let errors: Vec<String> = [
            "{{.Nmes}}",
            "{{.Names.First}}",
            "{{.Names",
            "{{if .Names}}x",
            "{{end}}",
            "{{nope .Names}}",
            "{{template \"x\"}}",
            "{{index .Names 9}}",
            "{{\"open}}",
            "{{.Names |}}",
            "{{}}",
            "{{printf \"%d\" .Names}}",
            "{{join .Names \",\"}}",
            "{{else}}",
            "{{.State.Nope}}",
        ]
        .iter()
        .map(|template| match fill(template, &value) {
            Ok(text) => format!("{template} gave {text}"),
            Err(error) => format!("{template} => {error}"),
        })
        .collect();
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn deep_nesting_is_refused_and_does_not_overflow() {
        let template = format!("{{{{{}.{}}}}}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(fill(&template, &json!({})).is_err());
        let template = "{{if .}}".repeat(100_000);
        assert!(fill(&template, &json!({})).is_err());
    }
}
