// Arithmetic of resources: what a job asks for, what of a node is used, free or kept. The kind of GPU is no amount and is
// left alone here (common/model/fits.h). What there is none of has no entry in `extras`. Pure.
#pragma once

#include <string>

#include "common/model/job.h"

namespace devrun {

void add(Resources& to, const Resources& what);
// The result may be below zero: of a node that says less than it said before.
void take(Resources& from, const Resources& what);
void take_extras(Resources& from, const Resources& what);
// Whether `of` is at least `need` in all that is counted.
bool covers(const Resources& of, const Resources& need);
// The same but for GPUs, of which a caller may count those of the right kind only.
bool covers_but_gpus(const Resources& of, const Resources& need);
bool covers_extras(const Resources& of, const Resources& need);
// GPUs, a share as the part that it is.
double gpus_held(const Resources& need);
// 0 if there are none of that name.
int64_t extra_of(const Resources& of, const std::string& name);

}  // namespace devrun
