// The lines of a decoded file, to find how far what begins at a mark reaches on its line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/launch/diagnostic.h"

namespace devrun::launch {

class SourceText {
 public:
  explicit SourceText(std::string text);
  SourceText(const SourceText&) = delete;
  SourceText& operator=(const SourceText&) = delete;

  const std::string& text() const { return text_; }
  // Of what begins at yaml-cpp's mark (both from 0): the whole token if it ends on the line.
  Place place(int line, int column) const;
  // The same if a null is written out there (`~`, `null`), nothing if it is the absence of a value.
  std::optional<Place> null_at(int line, int column) const;
  // Whether a quote opens there (after anchor and tag) that no quote closes: yaml-cpp lets that pass.
  bool opens_endless_quote(int line, int column) const;
  bool indented_by_tab(int line) const;  // from 1
  Place indent_of(int line) const;

 private:
  std::string_view line(int number) const;  // from 1; empty beyond the end

  std::string text_;
  std::vector<size_t> begins_;
};

}  // namespace devrun::launch
