// The model as cells: one function a screen, each in a file of its own. Pure.
#pragma once

#include "tui/model/model.h"
#include "tui/view/cells.h"

namespace devrun::tui {

// Of a model that is settled.
Canvas draw(const Model& model);

// The parts of draw, for the body between the title line and the bottom line.
void draw_jobs(const Model& model, Canvas& canvas);
// Which of its rows are shown; empty: all. How many there are is told to the canvas.
std::string draw_job(const Model& model, Canvas& canvas);
void draw_log(const Model& model, Canvas& canvas);
// Where in the output one is, for the right of the bottom line; at most half of it.
std::string log_place(const Model& model);
void draw_nodes(const Model& model, Canvas& canvas);
void draw_queue(const Model& model, Canvas& canvas);
void draw_volumes(const Model& model, Canvas& canvas);
void draw_snapshots(const Model& model, Canvas& canvas);
std::string draw_text(const Model& model, Canvas& canvas);  // which lines are shown
void draw_help(const Model& model, Canvas& canvas);

// A line of text with what was searched for marked.
void put_searched(Canvas& canvas, int row, int column, const std::string& text, Style style,
                  const Pattern& search);
// What was searched for, in a line that is there already.
void mark_found(Canvas& canvas, int row, int column, const std::string& text,
                const Pattern& search);

// From a column on; what would be half of a wide character is a blank.
std::string without_left(std::string_view text, size_t left);
// Its first columns, the last of them `…` if there are more.
std::string cut(std::string_view text, int columns);

Style style_of(JobState state);
std::string age(Time since, Time now);        // "42s", "3m05s"; empty if not known
std::string rough_age(Time since, Time now);  // to one unit: "now", "5m", "12h"
std::string nodes_of(const JobRow& job);
std::string cores_text(uint32_t cpu_milli);  // "0.1", "12"
// "97%", "idle 12m"; empty without GPUs.
std::string gpu_text(const JobLoad& load);

}  // namespace devrun::tui
