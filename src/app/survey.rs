//! Reading texts to judge the load: asking for it, and folding what comes of it.

use eframe::egui;

use crate::corpus::{TextSource, names};
use crate::engine::Request;
use crate::spec::{InterventionSet, TokenId, shown};
use crate::study::{Progress, Study, StudyError, StudyEvent};
use crate::trace::StepTrace;
use crate::ui::{Examined, PathFor, PathSheet, Survey, SurveyOf, SurveyedText};

use super::App;

impl App {
    /// Starts reading texts, or asks which.
    pub(super) fn survey(&mut self, of: SurveyOf, ctx: &egui::Context) {
        let texts: Vec<TextSource> = match of {
            SurveyOf::Samples => TextSource::samples_for(self.reads_series()),
            SurveyOf::Files(paths) => paths.into_iter().map(TextSource::File).collect(),
            SurveyOf::Asked => {
                let sheet = PathSheet::new(PathFor::Texts, String::new());
                return self.dialogs.ask_path(sheet, ctx);
            }
        };
        // Chosen in the system's dialog, the sheet may still be there.
        if self.dialogs.path().is_some() {
            self.dialogs.close(ctx);
        }
        self.texts.clone_from(&texts);
        let tag = self.new_tag();
        let text = |name: String| SurveyedText {
            name: shown(name),
            ..SurveyedText::default()
        };
        self.session.survey = Some(Survey {
            tag,
            texts: names(&texts).into_iter().map(text).collect(),
            progress: Some((0, 0)),
            ..Survey::default()
        });
        let study = Study::Survey {
            texts,
            edits: InterventionSet::default(),
        };
        self.ask(Request::Study { tag, study });
        self.examine();
    }

    /// Has the weights of the open model looked at, where that was not done yet.
    fn examine(&mut self) {
        if self
            .session
            .examined
            .as_ref()
            .is_some_and(|it| it.failed.is_none())
        {
            return;
        }
        let tag = self.new_tag();
        self.session.examined = Some(Examined {
            tag,
            progress: Some((0, 0)),
            ..Examined::default()
        });
        let study = Study::Examine;
        self.ask(Request::Study { tag, study });
    }

    /// Gives up the survey on screen.
    pub(super) fn cancel_survey(&mut self) {
        if let Some(tag) = self.session.survey.as_ref().map(|it| it.tag) {
            self.ask(Request::CancelStudy { tag });
        }
    }

    /// A job beside the rows tells something.
    pub(super) fn studied(&mut self, tag: u64, event: StudyEvent) {
        let examined = self.session.examined.as_mut();
        if let Some(examined) = examined.filter(|it| it.tag == tag) {
            return examined_on(examined, event);
        }
        match event {
            StudyEvent::Examined(_) => {}
            StudyEvent::Surveyed { text, step } => self.surveyed(tag, text, &step),
            StudyEvent::Controlled {
                control,
                comparisons,
                is_last,
            } => self.controlled(tag, control, &comparisons, is_last),
            StudyEvent::Progress(it) => self.surveying(tag, it),
            StudyEvent::Ended { result, cancelled } => {
                self.controls_ended(tag, cancelled);
                self.survey_ended(tag, result, cancelled);
            }
        }
    }

    /// The survey on screen, where an event is about it: one given up may still be heard of.
    fn survey_of(&mut self, tag: u64) -> Option<&mut Survey> {
        self.session.survey.as_mut().filter(|it| it.tag == tag)
    }

    fn surveyed(&mut self, tag: u64, text: usize, step: &StepTrace) {
        let facts = self.session.facts.clone();
        let special = |it: TokenId| facts.as_ref().is_none_or(|facts| facts.is_special(it));
        let Some(survey) = self.survey_of(tag) else {
            return;
        };
        if let Some(text) = survey.texts.get_mut(text) {
            text.load.add(step, special);
            survey.choices.add(step, special);
        }
    }

    fn surveying(&mut self, tag: u64, it: Progress) {
        if let Some(survey) = self.survey_of(tag) {
            survey.progress = Some((it.n_done, it.n_total));
        }
    }

    fn survey_ended(&mut self, tag: u64, result: Result<(), StudyError>, cancelled: bool) {
        let Some(survey) = self.survey_of(tag) else {
            return;
        };
        survey.progress = None;
        survey.cancelled = cancelled;
        let failed = result.err().map(|it| it.to_string());
        survey.failed.clone_from(&failed);
        if let Some(why) = failed {
            self.fail(why);
        }
    }
}

/// The weights are looked at further.
fn examined_on(examined: &mut Examined, event: StudyEvent) {
    match event {
        StudyEvent::Examined(part) => examined.parts.push(part),
        StudyEvent::Progress(it) => examined.progress = Some((it.n_done, it.n_total)),
        StudyEvent::Ended { result, .. } => {
            examined.progress = None;
            examined.failed = result.err().map(|it| it.to_string());
        }
        StudyEvent::Surveyed { .. } | StudyEvent::Controlled { .. } => {}
    }
}
