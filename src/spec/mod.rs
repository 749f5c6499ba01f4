//! The words of the project: identities, the shape of a model, the rule of a router, edits and what
//! they are lowered to, the experiment, the texts of a vocabulary, the points of a series.
//!
//! **Invariant:** plain values only. Nothing here reads a file, owns a thread or talks to a device.

mod attention;
mod branch;
mod choice;
mod count;
mod delta;
mod edit_text;
mod experiment;
mod ids;
mod intervention;
#[cfg(test)]
mod made_up;
mod model;
mod placement;
mod policy;
mod prompt;
mod recurrent;
mod router;
mod rule;
mod series;
mod shape;
mod shown;
mod source;
mod tokens;

pub use attention::{
    GateAct, GqaSpec, IndexerSpec, KvMap, LatentUp, Mask, MlaSpec, OutGate, QkNorm,
    QueryTemperature, RelativeBias, RopeLayout, RopeScaling, RopeSpec,
};
pub use branch::{Branch, BranchId, Branches};
pub use choice::ModelChoice;
pub use count::{count_of, grouped, part_of, plural};
pub use delta::{DeltaDecay, DeltaGate, DeltaLayout, DeltaParts, DeltaSpec, Heads};
pub use edit_text::EditError;
pub use experiment::{Experiment, Sampling, SamplingError};
pub use ids::{ExpertId, LayerId, Position, Revision, RouterId, SeqId, TokenId};
pub use intervention::{
    Action, Amount, Intervention, InterventionSet, ListedEdit, RouterRef, Span,
};
pub use model::{
    Act, CrossSpec, EncoderSpec, Ffn, HeadSpec, InputSpec, LayerSpec, Mixer, MlpSpec, ModelSpec,
    MoeSpec, NormKind, NormSpec, SharedGate, SharedInput, SharedSpec, Topology, WeightOn,
    attention_expert,
};
pub use placement::{BlockFormat, DeviceChoice, Placement};
pub use policy::{PolicyError, RouterPolicy, RoutingPolicy};
pub use prompt::PromptForm;
pub use recurrent::{
    Mamba1Spec, Mamba2Spec, RecurrentSpec, ShortConvSpec, is_kept, most_kept, until_kept,
};
pub use router::{
    Algo, Gate, GroupScore, Groups, MAX_EXPERTS, Renorm, RouterInput, RouterPlace, RouterSpec,
    Score, Site, StackId, Weight,
};
pub use rule::RuleStep;
pub use series::{
    Series, SeriesError, SeriesScale, forecasts_apart, longest_forecasts_apart, value_words,
};
pub use shown::{printable, shown};
pub use source::{GivenIds, GivenIdsError, LayerGroup, SequenceParts};
pub use tokens::TokenTable;
