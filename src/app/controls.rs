//! Random controls of the edits: asked for once there is nothing else to do, and folded as they come.

use crate::analysis::{ControlEffects, ControlReading};
use crate::document::covers;
use crate::engine::Request;
use crate::study::Study;
use crate::trace::Comparison;
use crate::ui::{ControlsOf, RowChoice, SessionControls};

use super::App;

/// What they are drawn with at first.
pub(super) const FIRST_SEED: u32 = 1;

/// How many are read.
const N_CONTROLS: usize = 8;

impl App {
    /// Asks for the controls of the edits on screen, where those read last are of others and nothing else is under way.
    pub(super) fn read_controls(&mut self) {
        let is_busy = self.session.playing
            || self.session.backlog.is_some()
            || self.session.loading.is_some()
            || self.session.lost_device.is_some()
            || self.waiting.is_some()
            || self.committed != self.experiment;
        if is_busy {
            return;
        }
        let Some((of, reading, study)) = self.wanted_controls() else {
            return;
        };
        let tag = self.new_tag();
        self.session.controls = Some(SessionControls { tag, of, reading });
        if let Some(study) = study {
            self.ask(Request::Study { tag, study });
        }
    }

    /// What controls there are to read; none where they are read already, or there is nothing to compare them with.
    fn wanted_controls(&self) -> Option<(ControlsOf, ControlReading, Option<Study>)> {
        let session = &self.session;
        if self.experiment.edits.is_idle() {
            return None;
        }
        let (baseline, counterfactual) = (session.baseline()?, session.counterfactual()?);
        let is_compared = counterfactual
            .record
            .edits
            .1
            .active()
            .eq(self.experiment.edits.active())
            && counterfactual.record.store.len() == baseline.record.store.len();
        if !is_compared {
            return None;
        }
        let baseline_key = session.row_key(RowChoice::Baseline)?;
        let is_read = session.controls.as_ref().is_some_and(|it| {
            it.of.baseline == baseline_key
                && it.of.seed == self.control_seed
                && it.of.edits.active().eq(self.experiment.edits.active())
        });
        if is_read {
            return None;
        }
        let of = ControlsOf {
            baseline: baseline_key,
            edits: self.experiment.edits.effective(),
            seed: self.control_seed,
        };
        let (reading, plan) = ControlReading::plan(
            &of.edits,
            session.spec()?,
            (baseline.record, baseline.load),
            (of.seed, N_CONTROLS),
            |at, it| covers(at, &it.place),
        );
        let study = (!plan.lists.is_empty()).then_some(Study::Controls {
            tokens: plan.tokens,
            next: plan.next,
            from: plan.from,
            lists: plan.lists,
        });
        Some((of, reading, study))
    }

    /// Draws others.
    pub(super) fn other_controls(&mut self) {
        self.control_seed = self.control_seed.wrapping_add(1);
        let seed = self.control_seed;
        self.say(format!("Controls of the edits are drawn with seed {seed}"));
    }

    /// Whether all controls of the edits on screen were read, or there are none.
    #[must_use]
    pub fn has_controls(&self) -> bool {
        let controls = self.session.controls_of(&self.experiment.edits);
        self.experiment.edits.is_idle() || controls.is_some_and(ControlEffects::is_whole)
    }

    /// The next comparisons of a control.
    pub(super) fn controlled(
        &mut self,
        tag: u64,
        control: usize,
        comparisons: &[Comparison],
        is_last: bool,
    ) {
        let controls = self.session.controls.as_mut().filter(|it| it.tag == tag);
        if let Some(controls) = controls {
            controls.reading.add(control, comparisons, is_last);
        }
    }

    /// Those that were given up (the model moves to another device) are asked for anew. Of a list that could not be read
    /// to its end nothing more is awaited.
    pub(super) fn controls_ended(&mut self, tag: u64, cancelled: bool) {
        let controls = &mut self.session.controls;
        controls.take_if(|it| cancelled && it.tag == tag);
        if let Some(it) = controls.as_mut().filter(|it| it.tag == tag) {
            it.reading.end();
        }
    }
}
