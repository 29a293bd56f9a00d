//! From a text to windows of tokens, each token predicted once.

use anyhow::{Context, anyhow, ensure};
use std::path::Path;
use tokenizers::Tokenizer;

/// What stands between the documents of a text.
const SEPARATOR: &str = "<|endoftext|>";

/// Tokens that a model sees at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) tokens: Vec<u32>,
    /// The first token that is predicted; those before it are only seen. At least 1.
    pub(crate) predicted_from: usize,
}

impl Window {
    /// The tokens that are predicted.
    pub(crate) fn targets(&self) -> &[u32] {
        self.tokens.get(self.predicted_from..).unwrap_or_default()
    }
}

/// How a text is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Windows of `context` tokens, one each `stride`; a token is predicted where it has most tokens before it.
    Sliding { context: usize, stride: usize },
    /// The last `count` documents, each on its own, its first `context` tokens.
    Documents { count: usize, context: usize },
}

/// Reads a text and cuts it.
///
/// # Errors
///
/// If the file cannot be read, or there is nothing to predict in it.
pub(crate) fn windows(
    path: &Path,
    tokenizer: &Tokenizer,
    start: u32,
    cut: Cut,
) -> anyhow::Result<Vec<Window>> {
    let bytes = std::fs::read(path)
        .with_context(|| format!("cannot read the text `{}` (--text)", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let encode = |text: &str| -> anyhow::Result<Vec<u32>> {
        let encoding = tokenizer.encode(text, false);
        let encoding = encoding.map_err(|error| anyhow!("cannot tokenize the text: {error}"))?;
        Ok([&[start], encoding.get_ids()].concat())
    };
    let windows = match cut {
        Cut::Sliding { context, stride } => sliding(&encode(&text)?, context, stride),
        Cut::Documents { count, context } => {
            let documents: Vec<&str> = text
                .split(SEPARATOR)
                .map(str::trim)
                .filter(|document| !document.is_empty())
                .collect();
            let last = documents.len().saturating_sub(count);
            let mut windows = Vec::new();
            for document in &documents[last..] {
                let mut tokens = encode(document)?;
                tokens.truncate(context);
                windows.push(Window {
                    tokens,
                    predicted_from: 1,
                });
            }
            windows
        }
    };
    let windows: Vec<Window> = windows
        .into_iter()
        .filter(|window| !window.targets().is_empty())
        .collect();
    ensure!(
        !windows.is_empty(),
        "there is nothing to predict in `{}` (--text)",
        path.display()
    );
    Ok(windows)
}

/// Windows over one run of tokens.
fn sliding(tokens: &[u32], context: usize, stride: usize) -> Vec<Window> {
    let mut windows = Vec::new();
    let (mut begin, mut predicted) = (0, 1);
    while predicted < tokens.len() {
        let end = (begin + context).min(tokens.len());
        windows.push(Window {
            tokens: tokens[begin..end].to_vec(),
            predicted_from: predicted - begin,
        });
        predicted = end;
        begin += stride;
    }
    windows
}

/// Shortens the windows to `limit` predicted tokens in all.
pub(crate) fn limit(windows: &mut Vec<Window>, limit: usize) {
    let mut left = limit;
    windows.retain_mut(|window| {
        let predicted = window.targets().len().min(left);
        left -= predicted;
        window.tokens.truncate(window.predicted_from + predicted);
        predicted > 0
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_predicted_once_with_as_much_before_it_as_fits() {
        let tokens: Vec<u32> = (0..23).collect();
        for (context, stride) in [(8, 8), (8, 3), (8, 1), (30, 10), (2, 1)] {
            let windows = sliding(&tokens, context, stride);
            let targets: Vec<u32> = windows
                .iter()
                .flat_map(|window| window.targets().to_vec())
                .collect();
            if stride < context {
                assert_eq!(targets, tokens[1..], "{context}, {stride}");
            }
            for window in &windows {
                assert!(
                    window.tokens.len() <= context && window.predicted_from > 0
                        || stride == context
                );
            }
        }
        let windows = sliding(&tokens, 8, 4);
        assert_eq!(windows[1].tokens, (4..12).collect::<Vec<_>>());
        assert_eq!(windows[1].targets(), [8, 9, 10, 11]);
    }

    #[test]
    fn a_limit_counts_predicted_tokens() {
        let mut windows = sliding(&(0..23).collect::<Vec<_>>(), 8, 4);
        limit(&mut windows, 9);
        let targets: Vec<&[u32]> = windows.iter().map(Window::targets).collect();
        assert_eq!(targets, [&[1, 2, 3, 4, 5, 6, 7][..], &[8, 9]]);
    }
}
