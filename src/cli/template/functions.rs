//! The functions of templates: Go's own that people use, and Docker's.

use std::cmp::Ordering;

use serde_json::Value;

use super::TemplateError;

const NAMES: [&str; 23] = [
    "json", "join", "split", "upper", "lower", "title", "truncate", "pad", "index", "slice", "len", "eq", "ne", "lt",
    "le", "gt", "ge", "and", "or", "not", "print", "println", "printf",
];

pub(super) fn is_function(name: &str) -> bool {
    NAMES.contains(&name)
}

pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, TemplateError> {
    use Value::{Array, Bool, String as Text};
    let value = match (name, arguments) {
        ("json", [value]) => Text(value.to_string()),
        ("join", [Array(items), Text(by)]) => Text(items.iter().map(shown).collect::<Vec<_>>().join(by)),
        ("split", [Text(text), Text(by)]) => Array(text.split(by.as_str()).map(Value::from).collect()),
        ("upper", [Text(text)]) => Text(text.to_uppercase()),
        ("lower", [Text(text)]) => Text(text.to_lowercase()),
        ("title", [Text(text)]) => Text(title(text)),
        ("truncate", [Text(text), Value::Number(width)]) => {
            Text(text.chars().take(width.as_u64().unwrap_or(0) as usize).collect())
        }
        ("pad", [Text(text), Value::Number(before), Value::Number(behind)]) => {
            let spaces = |number: &serde_json::Number| " ".repeat(number.as_u64().unwrap_or(0).min(1000) as usize);
            Text(format!("{}{text}{}", spaces(before), spaces(behind)))
        }
        ("index", [value, keys @ ..]) => index(value, keys)?,
        ("slice", [value, bounds @ ..]) => slice(value, bounds)?,
        ("len", [Text(text)]) => Value::from(text.len()),
        ("len", [Array(items)]) => Value::from(items.len()),
        ("len", [Value::Object(map)]) => Value::from(map.len()),
        ("eq", [first, others @ ..]) if !others.is_empty() => Bool(others.iter().any(|other| equal(first, other))),
        ("ne", [a, b]) => Bool(!equal(a, b)),
        ("lt", [a, b]) => Bool(order(a, b)? == Ordering::Less),
        ("le", [a, b]) => Bool(order(a, b)? != Ordering::Greater),
        ("gt", [a, b]) => Bool(order(a, b)? == Ordering::Greater),
        ("ge", [a, b]) => Bool(order(a, b)? != Ordering::Less),
        ("and", [.., last]) => arguments.iter().find(|value| !truth(value)).unwrap_or(last).clone(),
        ("or", [.., last]) => arguments.iter().find(|value| truth(value)).unwrap_or(last).clone(),
        ("not", [value]) => Bool(!truth(value)),
        ("print", values) => Text(values.iter().map(shown).collect()),
        ("println", values) => Text(values.iter().map(shown).collect::<Vec<_>>().join(" ") + "\n"),
        ("printf", [Text(format), values @ ..]) => Text(printf(format, values)?),
        _ if is_function(name) => return Err(TemplateError(format!("{name} does not take these arguments"))),
        _ => return Err(TemplateError(format!("no function {name}; there are {}", NAMES.join(", ")))),
    };
    Ok(value)
}

/// As Go prints a value with `%v`.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let pairs: Vec<String> = map.iter().map(|(key, value)| format!("{key}:{}", shown(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// As Go's templates judge: empty, zero, nil and false are untrue.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn title(text: &str) -> String {
    let mut start = true;
    text.chars()
        .map(|c| {
            let shown = if start { c.to_uppercase().next().unwrap_or(c) } else { c };
            start = c.is_whitespace();
            shown
        })
        .collect()
}

fn index(value: &Value, keys: &[Value]) -> Result<Value, TemplateError> {
    let mut value = value.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::Object(map), Value::String(key)) => map.get(key).cloned().unwrap_or(Value::Null),
            (Value::Array(items), Value::Number(at)) => {
                let item = at.as_u64().and_then(|at| items.get(at as usize));
                item.cloned().ok_or_else(|| TemplateError(format!("index {at} is out of {}", items.len())))?
            }
            _ => return Err(TemplateError(format!("index cannot look up {} in {}", shown(key), shown(&value)))),
        };
    }
    Ok(value)
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, TemplateError> {
    let length = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        _ => return Err(TemplateError("slice takes a text or a list".to_owned())),
    };
    let bound = |at: usize, default: usize| bounds.get(at).map_or(Some(default), |b| b.as_u64().map(|b| b as usize));
    let range = bound(0, 0).zip(bound(1, length)).map(|(from, to)| from..to);
    let cut = range.and_then(|range| match value {
        Value::String(text) => text.get(range).map(Value::from),
        Value::Array(items) => items.get(range).map(|items| Value::Array(items.to_vec())),
        _ => None,
    });
    cut.ok_or_else(|| TemplateError(format!("slice is out of {length}")))
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn order(a: &Value, b: &Value) -> Result<Ordering, TemplateError> {
    let order = match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    };
    order.ok_or_else(|| TemplateError(format!("cannot compare {} with {}", shown(a), shown(b))))
}

/// Go's verbs `%s %v %d %q %t %f %%` with `-`, `0`, width and precision.
fn printf(format: &str, values: &[Value]) -> Result<String, TemplateError> {
    let mut text = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| c.is_ascii_alphabetic() || c == '%').unwrap_or(rest.len());
        let (flags, verb) = rest.split_at(end);
        let verb = verb.chars().next().ok_or_else(|| TemplateError("printf: a verb behind % is missing".to_owned()))?;
        rest = &rest[end + 1..];
        if verb == '%' {
            text.push('%');
            continue;
        }
        let value = values.next().ok_or_else(|| TemplateError(format!("printf: %{verb} has no value")))?;
        text.push_str(&formatted(flags, verb, value)?);
    }
    text.push_str(rest);
    Ok(text)
}

fn formatted(flags: &str, verb: char, value: &Value) -> Result<String, TemplateError> {
    let left = flags.contains('-');
    let numbers = flags.trim_start_matches(['-', '+', ' ', '#']);
    let zeros = numbers.starts_with('0');
    let (width, precision) = numbers.split_once('.').unwrap_or((numbers, ""));
    let width: usize = width.parse().unwrap_or(0).min(1000);
    let precision: Option<usize> = precision.parse().ok();
    let body = match (verb, value) {
        ('s' | 'v', value) => match precision {
            Some(precision) => shown(value).chars().take(precision).collect(),
            None => shown(value),
        },
        ('q', value) => format!("{:?}", shown(value)),
        ('d', Value::Number(number)) => number.to_string(),
        ('t', Value::Bool(value)) => value.to_string(),
        ('f', Value::Number(number)) => {
            format!("{:.*}", precision.unwrap_or(6).min(30), number.as_f64().unwrap_or(0.0))
        }
        _ => return Err(TemplateError(format!("printf: %{verb} does not fit {}", shown(value)))),
    };
    Ok(match (left, zeros) {
        (true, _) => format!("{body:<width$}"),
        (false, true) => format!("{body:0>width$}"),
        (false, false) => format!("{body:>width$}"),
    })
}
