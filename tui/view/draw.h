// The model as cells: one function a screen, each in a file of its own. Pure.
#pragma once

#include "tui/model/model.h"
#include "tui/view/cells.h"

namespace devrun::tui {

Canvas draw(const Model& model);

// The parts of draw, for the body between the title line and the bottom line.
void draw_jobs(const Model& model, Canvas& canvas);
void draw_job(const Model& model, Canvas& canvas);
void draw_log(const Model& model, Canvas& canvas);
void draw_help(const Model& model, Canvas& canvas);

Style style_of(JobState state);
std::string age(Time since, Time now);  // "42s", "3m05s"; empty if not known
std::string nodes_of(const JobRow& job);

}  // namespace devrun::tui
