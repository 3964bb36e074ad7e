//! Walks a template's tree and writes the text.

use serde_json::Value;

use super::functions::{call, is_function, shown, truth};
use super::{Node, Operand, Pipeline, Subject, TemplateError};

pub(super) fn fill(nodes: &[Node], subject: Subject<'_>) -> Result<String, TemplateError> {
    let mut walk = Walk { subject, variables: vec![(String::new(), subject.fields.clone())], text: String::new() };
    walk.nodes(nodes, subject.fields)?;
    Ok(walk.text)
}

struct Walk<'a> {
    subject: Subject<'a>,
    /// Innermost last; `$` has the empty name.
    variables: Vec<(String, Value)>,
    text: String,
}

impl Walk<'_> {
    /// Writes `nodes`; what they declare ends with them.
    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<(), TemplateError> {
        let declared = self.variables.len();
        for node in nodes {
            self.node(node, dot)?;
        }
        self.variables.truncate(declared);
        Ok(())
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<(), TemplateError> {
        match node {
            Node::Text(text) => self.text.push_str(text),
            Node::Print(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                self.text.push_str(&shown(&value));
            }
            Node::Assign(name, pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                self.variables.push((name.clone(), value));
            }
            Node::If { condition, then, otherwise } => {
                let branch = if truth(&self.pipeline(condition, dot)?) { then } else { otherwise };
                self.nodes(branch, dot)?;
            }
            Node::With { value, then, otherwise } => {
                let value = self.pipeline(value, dot)?;
                if truth(&value) { self.nodes(then, &value)? } else { self.nodes(otherwise, dot)? }
            }
            Node::Range { key, element, over, each, otherwise } => {
                let pairs: Vec<(Value, Value)> = match self.pipeline(over, dot)? {
                    Value::Array(items) => items.into_iter().enumerate().map(|(at, v)| (Value::from(at), v)).collect(),
                    Value::Object(map) => map.into_iter().map(|(key, v)| (Value::String(key), v)).collect(),
                    Value::Null => Vec::new(),
                    other => return Err(TemplateError(format!("range cannot go over {}", shown(&other)))),
                };
                if pairs.is_empty() {
                    return self.nodes(otherwise, dot);
                }
                for (at, value) in pairs {
                    let declared = self.variables.len();
                    self.variables.extend(key.clone().map(|name| (name, at)));
                    self.variables.extend(element.clone().map(|name| (name, value.clone())));
                    self.nodes(each, &value)?;
                    self.variables.truncate(declared);
                }
            }
        }
        Ok(())
    }

    fn pipeline(&self, pipeline: &Pipeline, dot: &Value) -> Result<Value, TemplateError> {
        let mut last = None;
        for command in &pipeline.0 {
            last = Some(self.command(command, last, dot)?);
        }
        last.ok_or_else(|| TemplateError("a command is missing".to_owned()))
    }

    fn command(&self, operands: &[Operand], piped: Option<Value>, dot: &Value) -> Result<Value, TemplateError> {
        let (first, rest) = operands.split_first().ok_or_else(|| TemplateError("a command is missing".to_owned()))?;
        let arguments = |walk: &Self| {
            let mut arguments = rest.iter().map(|operand| walk.operand(operand, dot)).collect::<Result<Vec<_>, _>>()?;
            arguments.extend(piped.clone());
            Ok(arguments)
        };
        match first {
            Operand::Function(name) => call(name, &arguments(self)?),
            Operand::Field(path) if path.len() == 1 && path[0] == "Label" && self.subject.labels.is_some() => {
                match arguments(self)?.as_slice() {
                    [Value::String(key)] => {
                        let label = self.subject.labels.and_then(|labels| labels.get(key));
                        Ok(Value::String(label.cloned().unwrap_or_default()))
                    }
                    _ => Err(TemplateError("Label takes one key: {{.Label \"key\"}}".to_owned())),
                }
            }
            operand if rest.is_empty() && piped.is_none() => self.operand(operand, dot),
            _ => Err(TemplateError("only functions take arguments".to_owned())),
        }
    }

    fn operand(&self, operand: &Operand, dot: &Value) -> Result<Value, TemplateError> {
        match operand {
            Operand::Literal(value) => Ok(value.clone()),
            Operand::Field(path) => field(dot, path),
            Operand::Variable(name, path) => {
                let variable = self.variables.iter().rev().find(|(known, _)| known == name);
                let (_, value) = variable.ok_or_else(|| TemplateError(format!("no variable ${name}")))?;
                field(value, path)
            }
            Operand::Group(pipeline, path) => field(&self.pipeline(pipeline, dot)?, path),
            Operand::Function(name) if is_function(name) => call(name, &[]),
            Operand::Function(name) => Err(TemplateError(format!("no function {name}"))),
        }
    }
}

/// The value at `path`. Keys of free maps (labels) may be missing, fields may not.
fn field(value: &Value, path: &[String]) -> Result<Value, TemplateError> {
    let mut value = value;
    let mut parent = "";
    for name in path {
        let Value::Object(map) = value else {
            return Err(TemplateError(format!("no field {name} in {}", shown(value))));
        };
        value = match map.get(name) {
            Some(value) => value,
            None if matches!(parent, "Labels" | "Annotations") => return Ok(Value::Null),
            None => {
                let known: Vec<&str> = map.keys().map(String::as_str).collect();
                return Err(TemplateError(format!("no field {name}; there are {}", known.join(", "))));
            }
        };
        parent = name;
    }
    Ok(value.clone())
}
