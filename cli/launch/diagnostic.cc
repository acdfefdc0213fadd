#include "cli/launch/diagnostic.h"

#include <algorithm>
#include <tuple>

namespace devrun::launch {

namespace {

constexpr std::string_view kMask = "***";

Diagnostic at(Severity severity, const Place& place, std::string message, std::string hint) {
  return {severity, place.line, place.column, place.length, std::move(message), std::move(hint)};
}

}  // namespace

Diagnostic error_at(const Place& place, std::string message, std::string hint) {
  return at(Severity::kError, place, std::move(message), std::move(hint));
}

Diagnostic warning_at(const Place& place, std::string message, std::string hint) {
  return at(Severity::kWarning, place, std::move(message), std::move(hint));
}

Diagnostic unsupported_at(const Place& place, std::string message, std::string hint) {
  Diagnostic out = warning_at(place, std::move(message), std::move(hint));
  out.unsupported = true;
  return out;
}

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  return std::any_of(diagnostics.begin(), diagnostics.end(),
                     [](const Diagnostic& d) { return d.severity == Severity::kError; });
}

void make_strict(std::vector<Diagnostic>& diagnostics) {
  for (Diagnostic& d : diagnostics) d.severity = Severity::kError;
}

void sort_by_place(std::vector<Diagnostic>& diagnostics) {
  std::stable_sort(diagnostics.begin(), diagnostics.end(),
                   [](const Diagnostic& a, const Diagnostic& b) {
                     return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
                   });
}

void Redactions::add(std::string_view secret) {
  const auto keep = [this](std::string_view text) {
    if (text.size() >= kShortestMasked) secrets_.emplace_back(text);
  };
  keep(secret);
  while (secret.find('\n') != std::string_view::npos) {
    keep(secret.substr(0, secret.find('\n')));
    secret.remove_prefix(secret.find('\n') + 1);
    keep(secret);
  }
  std::sort(secrets_.begin(), secrets_.end(),
            [](const auto& a, const auto& b) { return a.size() > b.size(); });
}

std::string Redactions::apply(std::string_view text) const {
  std::string out(text);
  for (const std::string& secret : secrets_) {
    for (size_t found = out.find(secret); found != std::string::npos;
         found = out.find(secret, found + kMask.size())) {
      out.replace(found, secret.size(), kMask);
    }
  }
  return out;
}

void Redactions::apply(std::vector<Diagnostic>& diagnostics) const {
  for (Diagnostic& d : diagnostics) {
    d.message = apply(d.message);
    d.hint = apply(d.hint);
  }
}

}  // namespace devrun::launch
