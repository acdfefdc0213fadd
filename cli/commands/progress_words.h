// What a call tells on its way, shown by a Progress.
#pragma once

#include "cli/client/volumes.h"
#include "cli/output/progress.h"

namespace devrun::cli {

inline ProgressWords shown_by(Progress& progress) {
  return [&progress](const ProgressWord& word) {
    if (word.total > 0) {
      progress.amount(word.line, word.done, word.total, word.in_bytes);
    } else {
      progress.word(word.line, word.passing);
    }
  };
}

}  // namespace devrun::cli
