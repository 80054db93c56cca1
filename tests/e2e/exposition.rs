//! A strict reader of Prometheus' text format 0.0.4: what it does not know, or what is out of order, is an error.
//!
//! Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::collections::{BTreeMap, BTreeSet};

/// A whole scrape.
#[derive(Debug, Default)]
pub struct Exposition {
    pub families: BTreeMap<String, Family>,
    /// By name and labels as they stand in the text.
    samples: BTreeMap<String, f64>,
}

#[derive(Debug, Default)]
pub struct Family {
    pub help: String,
    pub kind: String,
    /// In the order of their names; without `le`.
    pub labels: BTreeSet<String>,
}

type Labels = Vec<(String, String)>;

impl Exposition {
    /// # Errors
    ///
    /// The first line that is not well-formed, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut scrape = Self::default();
        let mut current = String::new();
        if !text.ends_with('\n') {
            return Err("the last line has no end".into());
        }
        for line in text.lines() {
            scrape.line(line, &mut current).map_err(|error| format!("{error} in: {line}"))?;
        }
        scrape.check_histograms()?;
        Ok(scrape)
    }

    pub fn value(&self, sample: &str) -> Option<f64> {
        self.samples.get(sample).copied()
    }

    fn line(&mut self, line: &str, current: &mut String) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("no help")?;
            let family = Family { help: help.to_owned(), ..Family::default() };
            name.clone_into(current);
            let before = self.families.insert(name.to_owned(), family);
            return if before.is_none() { Ok(()) } else { Err("the family comes twice".into()) };
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            let family = self.families.get_mut(name).filter(|_| name == current).ok_or("a type without its help")?;
            family.kind = kind.to_owned();
            let is_known = ["counter", "gauge", "histogram"].contains(&kind);
            return if is_known { Ok(()) } else { Err("an unknown type".into()) };
        }
        self.sample(line, current)
    }

    fn sample(&mut self, line: &str, current: &str) -> Result<(), String> {
        let (sample, value) = line.rsplit_once(' ').ok_or("no value")?;
        let value: f64 = value.parse().map_err(|_| "the value is no number")?;
        let (name, labels) = split(sample)?;
        let family = self.families.get_mut(current).ok_or("a sample without a family")?;
        let suffix = name.strip_prefix(current).ok_or("a sample of another family")?;
        let allowed: &[&str] = if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        if !allowed.contains(&suffix) {
            return Err(format!("a {} has no {suffix:?}", family.kind));
        }
        if (suffix == "_bucket") != labels.iter().any(|(label, _)| label == "le") {
            return Err("buckets, and only they, have a bound".into());
        }
        let own: BTreeSet<String> = labels.into_iter().map(|(label, _)| label).filter(|label| label != "le").collect();
        if !family.labels.is_empty() && family.labels != own {
            return Err("samples of a family have the same labels".into());
        }
        family.labels = own;
        let before = self.samples.insert(sample.to_owned(), value);
        if before.is_none() { Ok(()) } else { Err("the sample comes twice".into()) }
    }

    /// The bucket without bound holds what the count says.
    fn check_histograms(&self) -> Result<(), String> {
        for (sample, value) in self.samples.iter().filter(|(sample, _)| sample.contains("_bucket{")) {
            let Some(rest) = sample.strip_suffix(",le=\"+Inf\"}") else { continue };
            let count = self.value(&format!("{}}}", rest.replacen("_bucket{", "_count{", 1)));
            if count != Some(*value) {
                return Err(format!("{sample} is {value}, and the count is {count:?}"));
            }
        }
        Ok(())
    }
}

/// `name{label="value",…}`.
fn split(sample: &str) -> Result<(&str, Labels), String> {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let (name, mut rest) = sample.split_once('{').ok_or("no labels")?;
    let mut labels = Labels::new();
    while !rest.is_empty() {
        let (label, after) = rest.split_once("=\"").ok_or("a label without a value")?;
        let (value, after) = unescape(after)?;
        if !is_name(label) || labels.iter().any(|(known, _)| known == label) {
            return Err(format!("the label {label:?}"));
        }
        labels.push((label.to_owned(), value));
        rest = match after.split_at_checked(1) {
            Some((",", more)) if !more.is_empty() => more,
            Some(("}", "")) => "",
            _ => return Err("the labels do not end".into()),
        };
    }
    if is_name(name) { Ok((name, labels)) } else { Err(format!("the name {name:?}")) }
}

/// A label's value up to its closing quote, and what follows.
fn unescape(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[index + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('\\' | '"'))) => value.push(escaped),
                _ => return Err("an unknown escape".into()),
            },
            other => value.push(other),
        }
    }
    Err("a value without an end".into())
}

#[test]
fn the_reader_is_strict() {
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    let cases = [
        ("a_total{x=\"1\"} 1\n", ""),
        ("a_total{x=\"\\\"\\\\\\n\"} 1\n", ""),
        ("a_total{x=\"1\"} 1", "has no end"),
        ("a_total{x=\"1\"} one\n", "no number"),
        ("a_total{x=\"1} 1\n", "without an end"),
        ("a_total{x=\"\\t\"} 1\n", "unknown escape"),
        ("b_total{x=\"1\"} 1\n", "another family"),
        ("a_total_sum{x=\"1\"} 1\n", "a counter has no"),
        ("a_total{x=\"1\"} 1\na_total{x=\"1\"} 2\n", "twice"),
        ("a_total{x=\"1\"} 1\na_total{y=\"1\"} 2\n", "same labels"),
    ];
    for (samples, expected) in cases {
        let error = Exposition::parse(&format!("{head}{samples}")).err().unwrap_or_default();
        assert!(error.contains(expected) && error.is_empty() == expected.is_empty(), "{samples:?}: {error}");
    }
}
