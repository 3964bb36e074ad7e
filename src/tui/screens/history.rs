//! The steps an image was made of, in words: a Dockerfile's line without what its builder wrapped it in.

use crate::model::{HistoryLine, ImageInspect};

/// A step's command on one line.
pub fn command_of(step: &HistoryLine) -> String {
    let text = step.created_by.trim();
    let shell = ["/bin/sh -c ", "/bin/bash -c ", "sh -c "].iter().find_map(|shell| text.strip_prefix(shell));
    let text = match shell {
        // What builders of old write for lines that run nothing.
        Some(rest) => match rest.trim_start().strip_prefix("#(nop)") {
            Some(line) => line.trim().to_owned(),
            None => format!("RUN {rest}"),
        },
        None => text.to_owned(),
    };
    let text = text.strip_suffix("# buildkit").unwrap_or(&text);
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        // BuildKit repeats the shell behind the word.
        if line == "RUN" && matches!(word, "/bin/sh" | "/bin/bash" | "-c") {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match (line.is_empty(), step.comment.trim()) {
        (true, "") => "no command is recorded".to_owned(),
        (true, comment) => comment.to_owned(),
        (false, _) => line,
    }
}

/// Each step with the layer it made, if it made one; layers that no step tells of come last.
pub fn steps(inspect: &ImageInspect) -> Vec<(Option<&HistoryLine>, Option<usize>)> {
    let mut layers = 0..inspect.layers.len();
    let mut steps: Vec<_> =
        inspect.history.iter().map(|step| (Some(step), if step.empty_layer { None } else { layers.next() })).collect();
    steps.extend(layers.map(|layer| (None, Some(layer))));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::sample;

    #[test]
    fn commands_lose_what_their_builder_wrapped_them_in() {
        for (text, command) in [
            ("/bin/sh -c #(nop)  CMD [\"bash\"]", "CMD [\"bash\"]"),
            ("/bin/sh -c apt-get   update", "RUN apt-get update"),
            ("RUN /bin/sh -c make install # buildkit", "RUN make install"),
            ("COPY entry.sh / # buildkit", "COPY entry.sh /"),
            ("", "no command is recorded"),
        ] {
            let step = HistoryLine { created_by: text.to_owned(), ..HistoryLine::default() };
            assert_eq!(command_of(&step), command);
        }
    }

    #[test]
    fn layers_that_no_step_tells_of_are_shown_all_the_same() {
        let mut inspect = sample::image_inspect();
        inspect.layers = vec![sample::digest(1), sample::digest(2), sample::digest(3)];
        inspect.history = vec![
            HistoryLine { empty_layer: true, ..HistoryLine::default() },
            HistoryLine { created_by: "ADD x /".to_owned(), ..HistoryLine::default() },
        ];
        let layers: Vec<_> = steps(&inspect).into_iter().map(|(step, layer)| (step.is_some(), layer)).collect();
        assert_eq!(layers, [(true, None), (true, Some(0)), (false, Some(1)), (false, Some(2))]);
    }
}
