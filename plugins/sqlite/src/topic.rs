//! Which topics a consumer asks for: patterns in the syntax of AMQP's topic exchanges.
//!
//! A topic is words divided by dots (`orders.eu.created`). In a pattern `*` stands for exactly one
//! word and `#` for any number of words, none included; every other word stands for itself. The
//! empty topic has no words.
//!
//! Source: AMQP 0-9-1, section 3.1.3.3, "The Topic Exchange Type".

/// One word of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Exactly(String),
    One,
    Any,
}

/// One pattern, parsed. Every text is a pattern: there is nothing to refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPattern {
    words: Vec<Word>,
}

impl TopicPattern {
    pub fn new(pattern: &str) -> Self {
        let words = words_of(pattern).map(Word::of).collect();
        Self { words }
    }

    /// Whether `topic` is one of those that the pattern stands for.
    ///
    /// Time grows with the product of both lengths at worst, never faster: after a mismatch only the
    /// last `#` takes one word more.
    pub fn matches(&self, topic: &str) -> bool {
        let topic: Vec<&str> = words_of(topic).collect();
        let (mut at, mut read) = (0, 0);
        let mut widen: Option<(usize, usize)> = None;
        while read < topic.len() {
            match self.words.get(at) {
                Some(Word::Any) => {
                    widen = Some((at, read));
                    at += 1;
                }
                Some(word) if word.accepts(topic[read]) => {
                    at += 1;
                    read += 1;
                }
                _ => match &mut widen {
                    Some((any, from)) => {
                        *from += 1;
                        (at, read) = (*any + 1, *from);
                    }
                    None => return false,
                },
            }
        }
        self.words[at..].iter().all(|word| *word == Word::Any)
    }

    /// Whether the pattern stands for every topic there can be.
    pub fn is_everything(&self) -> bool {
        self.words == [Word::Any]
    }
}

impl Word {
    fn of(text: &str) -> Self {
        match text {
            "*" => Self::One,
            "#" => Self::Any,
            word => Self::Exactly(word.to_owned()),
        }
    }

    fn accepts(&self, word: &str) -> bool {
        match self {
            Self::Exactly(text) => text == word,
            Self::One | Self::Any => true,
        }
    }
}

/// What one consumer asks for: any of its patterns; none at all means every topic.
#[derive(Debug, Clone)]
pub struct TopicFilter {
    patterns: Vec<TopicPattern>,
}

impl TopicFilter {
    pub fn new<T: AsRef<str>>(patterns: &[T]) -> Self {
        let patterns = patterns.iter().map(|pattern| TopicPattern::new(pattern.as_ref())).collect();
        Self { patterns }
    }

    pub fn matches(&self, topic: &str) -> bool {
        self.is_everything() || self.patterns.iter().any(|pattern| pattern.matches(topic))
    }

    /// Whether nothing needs to be filtered.
    pub fn is_everything(&self) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(TopicPattern::is_everything)
    }
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split('.').filter(move |_| !text.is_empty())
}

/// Whether `text` names one topic, so that events can be published under it.
pub fn is_exact(text: &str) -> bool {
    words_of(text).all(|word| word != "*" && word != "#")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let parsed = TopicPattern::new(pattern);
        for topic in matching {
            assert!(parsed.matches(topic), "`{pattern}` must match `{topic}`");
        }
        for topic in others {
            assert!(!parsed.matches(topic), "`{pattern}` must not match `{topic}`");
        }
    }

    #[test]
    fn a_plain_word_stands_for_itself() {
        check("orders", &["orders"], &["", "order", "orders.eu", "Orders", "orders."]);
        check("orders.eu", &["orders.eu"], &["orders", "orders.us", "orders.eu.x"]);
        check("", &[""], &["orders", "."]);
    }

    #[test]
    fn a_star_stands_for_exactly_one_word() {
        check("*", &["orders", "*"], &["", "orders.eu"]);
        check("orders.*", &["orders.eu", "orders."], &["orders", "orders.eu.x", "x.eu"]);
        check("*.eu.*", &["orders.eu.x"], &["eu", "orders.eu", "orders.us.x"]);
        check("or*", &["or*"], &["orders"]);
    }

    #[test]
    fn a_hash_stands_for_any_number_of_words() {
        check("#", &["", "orders", "orders.eu.x"], &[]);
        check("orders.#", &["orders", "orders.eu", "orders.eu.x"], &["", "order", "x.orders"]);
        check("#.created", &["created", "a.created", "a.b.created"], &["created.a", ""]);
        check("a.#.z", &["a.z", "a.b.z", "a.z.z", "a.b.c.z"], &["a", "z", "a.z.b"]);
        check("#.a.#", &["a", "b.a", "a.b", "b.a.b"], &["", "b"]);
        check("#.*", &["a", "a.b"], &[""]);
        check("*.#.*", &["a.b", "a.b.c"], &["a", ""]);
    }

    #[test]
    fn many_hashes_stay_quick() {
        let pattern = TopicPattern::new(&["#.a"; 40].join("."));
        assert!(!pattern.matches(&vec!["a"; 4_000].join(".").replace("a.a.a.a", "a.a.a.b")));
    }

    #[test]
    fn any_of_several_patterns_is_enough_and_none_means_all() {
        let filter = TopicFilter::new(&["orders.*", "refunds"]);
        assert!(filter.matches("refunds") && filter.matches("orders.eu") && !filter.matches("x"));
        assert!(TopicFilter::new::<&str>(&[]).matches("x"));
        assert!(TopicFilter::new(&["orders", "#"]).is_everything() && !filter.is_everything());
    }

    #[test]
    fn only_a_text_without_wildcards_names_one_topic() {
        assert!(is_exact("orders.eu") && is_exact("") && is_exact("a*b"));
        assert!(!is_exact("orders.*") && !is_exact("#"));
    }

    /// The definition itself, slow and short: what the quick one is held against.
    fn matches_slowly(pattern: &[&str], topic: &[&str]) -> bool {
        match pattern {
            [] => topic.is_empty(),
            ["#", rest @ ..] => (0..=topic.len()).any(|n| matches_slowly(rest, &topic[n..])),
            [word, rest @ ..] => match topic {
                [first, others @ ..] => (*word == "*" || word == first) && matches_slowly(rest, others),
                [] => false,
            },
        }
    }

    proptest! {
        #[test]
        fn the_quick_match_agrees_with_the_definition(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "#"]), 1..7),
            topic in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..8),
        ) {
            let expected = matches_slowly(&pattern, &topic);
            let found = TopicPattern::new(&pattern.join(".")).matches(&topic.join("."));
            prop_assert_eq!(found, expected);
        }
    }
}
