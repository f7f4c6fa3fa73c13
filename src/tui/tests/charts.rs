//! Charts: what stands under them is of them, and what looks like a gap is one.

use std::sync::Arc;

use super::fixture::{self, NOW, ago};
use super::screens::{paint, text_of};
use crate::domain::machine::GpuReadings;
use crate::tui::app::App;
use crate::tui::layout::Pane;
use crate::tui::panes::gpu::GpuPane;

#[test]
fn the_axis_begins_where_the_chart_does_and_ends_where_it_ends() {
    for (width, height) in [(200, 60), (120, 40), (100, 30)] {
        let mut app = App::plain(NOW);
        app.see(Arc::new(fixture::working()));
        (app.focus, app.zoomed) = (Pane::Latency, true);
        for _ in 0..5 {
            let text = text_of(&paint(&mut app, width, height));
            let column = |line: &str, at: usize| line[..at].chars().count();
            // Behind the title, which tells the scale too.
            let chart =
                text.lines().find(|line| line.contains(" 0 ") && !line.contains(" 0 to ")).expect("a chart's last row");
            let from = chart.find(" 0 ").expect("its scale") + 3;
            let drawn: Vec<usize> = chart
                .char_indices()
                .skip_while(|(at, _)| *at < from)
                .collect::<Vec<_>>()
                .into_iter()
                .filter(|(_, c)| "·×▁▂▃▄▅▆▇█".contains(*c))
                .map(|(at, _)| column(chart, at))
                .collect();
            let axis = text.lines().find(|line| line.contains(" now ")).expect("an axis");
            let begins = column(axis, axis.find('-').expect("the oldest age"));
            let ends = column(axis, axis.find(" now ").expect("the present")) + 3;
            assert_eq!((drawn.first(), drawn.last()), (Some(&begins), Some(&ends)), "{chart}\n{axis}");
            app.latency.resize(true);
        }
    }
}

/// Readings of the hosted card, one every so many seconds over a quarter of an hour.
fn asked_every(seconds: usize) -> App {
    let mut app = App::plain(NOW);
    let base = fixture::working();
    app.see(Arc::new(base.clone()));
    app.gpu = GpuPane::default();
    for back in (0..900).rev().step_by(seconds) {
        let mut telemetry = (*base.telemetry).clone();
        let GpuReadings::Ok { at, .. } = &mut telemetry.runpod else { panic!("readings") };
        *at = ago(back);
        app.gpu.remember(&telemetry);
    }
    (app.focus, app.zoomed) = (Pane::Gpu, true);
    app
}

fn gaps(app: &mut App) -> usize {
    let text = text_of(&paint(app, 120, 40));
    let hosted = text.lines().skip_while(|line| !line.contains("vllm-a100"));
    let chart = hosted.skip(1).find(|line| line.contains("15m")).expect("a chart");
    chart.matches('·').count()
}

#[test]
fn a_card_that_is_asked_twice_a_minute_has_no_gaps_in_its_chart() {
    assert!(gaps(&mut asked_every(10)) <= 2);
    assert!(gaps(&mut asked_every(30)) <= 4);
    // One that did not answer for minutes has.
    assert!(gaps(&mut asked_every(240)) > 40);
}
