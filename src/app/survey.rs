//! Reading texts to judge the load: asking for it, and folding what comes of it.

use std::{
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use eframe::egui;

use crate::corpus::{TextSource, names};
use crate::engine::Request;
use crate::spec::TokenId;
use crate::trace::StepTrace;
use crate::ui::{Survey, SurveyOf, SurveyedText};

use super::App;

/// A dialog that is open: the files chosen, none where it was closed.
pub(super) type AskedTexts = Pin<Box<dyn Future<Output = Option<Vec<rfd::FileHandle>>>>>;

/// A frame is asked for as soon as the dialog was answered.
struct Repaint(egui::Context);

impl Wake for Repaint {
    fn wake(self: Arc<Self>) {
        self.0.request_repaint();
    }
}

impl App {
    /// Starts reading texts, or asks which.
    pub(super) fn survey(&mut self, of: SurveyOf) {
        let texts: Vec<TextSource> = match of {
            SurveyOf::Samples => TextSource::samples(),
            SurveyOf::Files(paths) => paths.into_iter().map(TextSource::File).collect(),
            SurveyOf::Asked => return self.ask_texts(),
        };
        let tag = self.next_tag;
        self.next_tag += 1;
        let text = |name| SurveyedText {
            name,
            ..SurveyedText::default()
        };
        self.session.survey = Some(Survey {
            tag,
            texts: names(&texts).into_iter().map(text).collect(),
            progress: Some((0, 0)),
            ..Survey::default()
        });
        self.ask(Request::Survey { tag, texts });
    }

    /// Opens the platform's dialog; what was chosen is read once it is answered.
    fn ask_texts(&mut self) {
        if self.asked_texts.is_none() {
            let dialog = rfd::AsyncFileDialog::new()
                .set_title("Texts to judge the load by")
                .add_filter("Texts", &["txt", "md", "jsonl", "ndjson"])
                .add_filter("All files", &["*"]);
            self.asked_texts = Some(Box::pin(dialog.pick_files()));
        }
    }

    /// Looks whether the dialog was answered; never waits.
    pub(super) fn poll_texts(&mut self, ctx: &egui::Context) {
        let Some(asked) = &mut self.asked_texts else {
            return;
        };
        let waker = Waker::from(Arc::new(Repaint(ctx.clone())));
        let Poll::Ready(chosen) = asked.as_mut().poll(&mut Context::from_waker(&waker)) else {
            return;
        };
        self.asked_texts = None;
        let files = chosen.unwrap_or_default();
        let paths: Vec<PathBuf> = files.iter().map(|it| it.path().to_owned()).collect();
        if !paths.is_empty() {
            self.survey(SurveyOf::Files(paths));
        }
    }

    /// The survey on screen, where an event is about it: one given up may still be heard of.
    fn survey_of(&mut self, tag: u64) -> Option<&mut Survey> {
        self.session.survey.as_mut().filter(|it| it.tag == tag)
    }

    pub(super) fn surveyed(&mut self, tag: u64, text: usize, step: &StepTrace) {
        let facts = self.session.facts.clone();
        let special = |it: TokenId| {
            facts
                .as_ref()
                .is_none_or(|facts| facts.tokens.is_special(it))
        };
        let survey = self.survey_of(tag);
        if let Some(text) = survey.and_then(|it| it.texts.get_mut(text)) {
            text.load.add(step, special);
        }
    }

    pub(super) fn surveying(&mut self, tag: u64, n_done: usize, n_total: usize) {
        if let Some(survey) = self.survey_of(tag) {
            survey.progress = Some((n_done, n_total));
        }
    }

    pub(super) fn survey_ended(&mut self, tag: u64, result: Result<(), String>, cancelled: bool) {
        let Some(survey) = self.survey_of(tag) else {
            return;
        };
        survey.progress = None;
        survey.cancelled = cancelled;
        survey.failed = result.clone().err();
        if let Err(why) = result {
            self.fail(why);
        }
    }
}
