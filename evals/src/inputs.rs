//! Where the evaluations find models and text.

/// The folder of models, from the root of the repository, where `WCODEC_MODELS` names none.
pub(crate) const DEFAULT_MODELS: &str = "../shared/models";
/// The folder of texts, from the root of the repository, where `WCODEC_TEXT` names none.
pub(crate) const DEFAULT_TEXT: &str = "../shared/text";
