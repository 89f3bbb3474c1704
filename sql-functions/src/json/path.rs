//! Paths into documents: `$.a."b c"[0][*].*`. `**` is not supported.

use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Member(String),
    Item(usize),
    Members,
    Items,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(pub(crate) Vec<Step>);

impl Path {
    /// Reads a path; without `$` it is StarRocks' `a.b`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut rest = match text.strip_prefix('$') {
            Some(rest) => rest.to_string(),
            None if text.starts_with('[') => text.to_string(),
            None => format!(".{text}"),
        };
        let mut steps = vec![];
        while !rest.trim_start().is_empty() {
            let trimmed = rest.trim_start().to_string();
            let (step, left) = step(&trimmed)?;
            steps.push(step);
            rest = left.to_string();
        }
        Some(Self(steps))
    }

    fn is_many(&self) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Members | Step::Items))
    }

    /// All that it finds.
    pub(crate) fn all(&self, document: &Value) -> Vec<Value> {
        let mut found = vec![document];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.of(value)).collect();
        }
        found.into_iter().cloned().collect()
    }

    pub(crate) fn first(&self, document: &Value) -> Option<Value> {
        self.all(document).into_iter().next()
    }

    /// What it finds; of a path with `*` an array of it.
    pub(crate) fn find(&self, document: &Value) -> Option<Value> {
        let mut found = self.all(document);
        match (self.is_many(), found.len()) {
            (_, 0) => None,
            (true, _) => Some(Value::Array(found)),
            (false, _) => Some(found.remove(0)),
        }
    }

    /// The place itself, to change it.
    pub(crate) fn place<'v>(&self, document: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(document, |value, step| match step {
            Step::Member(name) => value.get_mut(name),
            Step::Item(0) if !value.is_array() => Some(value),
            Step::Item(at) => value.get_mut(at),
            Step::Members | Step::Items => None,
        })
    }
}

impl Step {
    fn of<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        match self {
            Step::Member(name) => value.get(name).into_iter().collect(),
            // what is no array is its own first item
            Step::Item(0) if !value.is_array() => vec![value],
            Step::Item(at) => value.get(at).into_iter().collect(),
            Step::Members => value.as_object().map(|o| o.values().collect()).unwrap_or_default(),
            Step::Items => value.as_array().map(|a| a.iter().collect()).unwrap_or_default(),
        }
    }
}

fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, left) = rest.split_once(']')?;
        let inside = inside.trim();
        let step = if inside == "*" { Step::Items } else { Step::Item(inside.parse().ok()?) };
        return Some((step, left));
    }
    let rest = text.strip_prefix('.')?.trim_start();
    if let Some(left) = rest.strip_prefix('*') {
        return Some((Step::Members, left));
    }
    if rest.starts_with('"') {
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        })?;
        let name = serde_json::from_str(&rest[..=end.0]).ok()?;
        return Some((Step::Member(name), &rest[end.0 + 1..]));
    }
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let name = rest[..end].trim_end();
    (!name.is_empty() && !name.contains('*'))
        .then(|| (Step::Member(name.to_string()), &rest[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let member = |name: &str| Step::Member(name.into());
        assert_eq!(
            Path::parse("$.a.\"b c\"[1]"),
            Some(Path(vec![member("a"), member("b c"), Step::Item(1)]))
        );
        assert_eq!(Path::parse("$"), Some(Path(vec![])));
        assert_eq!(Path::parse("$.*[*]"), Some(Path(vec![Step::Members, Step::Items])));
        assert_eq!(Path::parse("a.b"), Some(Path(vec![member("a"), member("b")])));
        for wrong in ["$.", "$[", "$[x]", "$a", "$**.a", "$.a**"] {
            assert_eq!(Path::parse(wrong), None, "{wrong}");
        }
    }
}
