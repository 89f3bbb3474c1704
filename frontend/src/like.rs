//! Patterns of `LIKE`, for what is not a query's.

/// A `LIKE 'pattern'` at the end of a `SHOW`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Like(pub Option<String>);

impl Like {
    /// Whether a name fits: `%` any run, `_` any character, `\` escapes; case-insensitive, as
    /// MySQL's `SHOW … LIKE` is.
    pub fn matches(&self, name: &str) -> bool {
        let Some(pattern) = &self.0 else { return true };
        let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
        let name: Vec<char> = name.to_lowercase().chars().collect();
        // Greedy matching with one point to fall back to (the last `%`): linear in practice and
        // never exponential, whatever a client types.
        let (mut p, mut n, mut retry) = (0, 0, None);
        while n < name.len() {
            let escaped = pattern.get(p) == Some(&'\\') && p + 1 < pattern.len();
            let literal = if escaped { pattern.get(p + 1) } else { pattern.get(p) };
            match pattern.get(p) {
                Some('%') => {
                    retry = Some((p, n));
                    p += 1;
                }
                Some(c) if literal == Some(&name[n]) || (*c == '_' && !escaped) => {
                    p += 1 + usize::from(escaped);
                    n += 1;
                }
                _ => match retry {
                    Some((at, from)) => {
                        retry = Some((at, from + 1));
                        (p, n) = (at + 1, from + 1);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|c| *c == '%')
    }
}

#[cfg(test)]
mod tests {
    use super::Like;

    #[test]
    fn like_patterns() {
        let like = |p: &str, n: &str| Like(Some(p.into())).matches(n);
        assert!(like("o%", "orders") && like("%s", "orders") && like("%", ""));
        assert!(like("_rders", "Orders") && like("%r%e%", "orders"));
        assert!(!like("o", "orders") && !like("%x%", "orders") && !like("_", ""));
        assert!(like(r"a\_b", "a_b") && !like(r"a\_b", "axb"));
        assert!(like("%a%a%a%a%a%a%b", &format!("{}b", "a".repeat(200))));
        assert!(!like("%a%a%a%a%a%a%b", &"a".repeat(200)));
        assert!(Like(None).matches("x"));
    }
}
