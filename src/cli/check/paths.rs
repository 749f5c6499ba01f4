//! Which models are asked for, and in which order: steps of one run by the numbers in their names.

use std::{ffi::OsString, path::Path};

use super::Args;
use crate::analysis::sort_steps;
use crate::cli::Failure;

/// The models in their order.
///
/// # Errors
/// What stands behind `--json` is no model, as it was a file once.
pub(super) fn models(args: &Args) -> Result<Vec<OsString>, Failure> {
    if args.json && args.models.len() > 1 {
        let file = args.models.iter().find(|it| is_report(it));
        if let Some(file) = file {
            let file = file.to_string_lossy();
            return Err(Failure::misuse(format!(
                "--json prints the report and takes no file; --out {file} writes it there"
            )));
        }
    }
    let mut models = args.models.clone();
    sort_steps(&mut models, |it| it.to_string_lossy().into_owned());
    Ok(models)
}

/// Whether a name is a report's, not a model's: `-`, or a JSON file that is not there or beside which no model is.
fn is_report(name: &OsString) -> bool {
    let path = Path::new(name);
    let is_json = path
        .extension()
        .is_some_and(|it| it.eq_ignore_ascii_case("json"));
    let beside = path
        .parent()
        .is_some_and(|it| it.join("config.json").exists());
    name == "-" || (is_json && !(path.exists() && beside))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn check(line: &[&str], wanted: Result<&[&str], &str>) {
        let line = ["check", "--samples"].iter().chain(line);
        let args = Line::try_parse_from(line).unwrap().args;
        let got = models(&args).map_err(|it| it.what);
        let wanted = wanted
            .map(|it| it.iter().map(OsString::from).collect::<Vec<_>>())
            .map_err(str::to_owned);
        assert_eq!(got, wanted);
    }

    #[test]
    fn a_file_behind_json_is_told_where_it_goes() {
        let words = "--json prints the report and takes no file; --out report.json writes it there";
        check(&["tour", "--json", "report.json"], Err(words));
        let words = "--json prints the report and takes no file; --out - writes it there";
        check(&["tour", "--json", "-"], Err(words));
        check(&["tour", "--json"], Ok(&["tour"]));
        check(
            &["run/step-10", "run/step-9", "--json"],
            Ok(&["run/step-9", "run/step-10"]),
        );
    }
}
