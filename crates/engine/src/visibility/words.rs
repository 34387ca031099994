//! How a text is split into words.

/// The words of a text: runs of letters and digits, in lower case.
///
/// A store that searches texts by an index of its own must split them like this.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// The phrases that a query asks for: what stands between blanks, each as its words.
pub(super) fn phrases(text: &str) -> Vec<Vec<String>> {
    text.split(' ').map(|part| words(part).collect::<Vec<_>>()).filter(|phrase| !phrase.is_empty()).collect()
}

/// Whether the words of the phrase stand in the text one directly after the other.
pub(super) fn has_phrase(text_words: &[String], phrase: &[String]) -> bool {
    !phrase.is_empty() && text_words.windows(phrase.len()).any(|window| window == phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        let found: Vec<_> = words("The quick-brown fox, jumps over 2 \u{c4}pfel.").collect();
        assert_eq!(found, ["the", "quick", "brown", "fox", "jumps", "over", "2", "\u{e4}pfel"]);
        assert_eq!(words(" -- ").count(), 0);
    }

    #[test]
    fn a_phrase_is_found_whole() {
        let text: Vec<_> = words("one two three").collect();
        let found = |query: &str| phrases(query).iter().any(|phrase| has_phrase(&text, phrase));
        assert!(found("two-three"));
        assert!(found("x two"));
        assert!(!found("three-two"));
        assert!(!found("one-three"));
        assert!(!found("--"));
    }
}
