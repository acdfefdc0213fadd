#include "common/model/gpu_names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace devrun {

namespace {

constexpr std::array<std::string_view, 44> kTypes{
    "A10",   "A100",    "A100-80GB", "A10G",     "A16",     "A30",         "A40",      "A6000",
    "B100",  "B200",    "B300",      "GB200",    "GB300",   "GH200",       "H100",     "H20",
    "H200",  "H800",    "K80",       "L4",       "L40",     "L40S",        "M60",      "MI100",
    "MI210", "MI250",   "MI300",     "MI300X",   "MI325X",  "MI355X",      "P100",     "P4",
    "P40",   "RTX3090", "RTX4090",   "RTX5090",  "RTX6000", "RTX6000-Ada", "RTXA5000", "RTXPRO6000",
    "T4",    "T4g",     "V100",      "V100-32GB"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 31> kAliases{{
    {"A100-40GB", "A100"},
    {"A100-SXM", "A100"},
    {"A100-SXM4-40GB", "A100"},
    {"A100-PCIE", "A100"},
    {"A100-80G", "A100-80GB"},
    {"A100-80GB-SXM", "A100-80GB"},
    {"A100-SXM4-80GB", "A100-80GB"},
    {"A100-80GB-PCIE", "A100-80GB"},
    {"B200-SXM", "B200"},
    {"H100-80GB", "H100"},
    {"H100-SXM", "H100"},
    {"H100-SXM5", "H100"},
    {"H100-80GB-HBM3", "H100"},
    {"H100-PCIE", "H100"},
    {"H100-MEGA-80GB", "H100"},
    {"H200-SXM", "H200"},
    {"H200-141GB", "H200"},
    {"MI300-X", "MI300X"},
    {"MI300X-OAM", "MI300X"},
    {"RTX-A5000", "RTXA5000"},
    {"RTX-A6000", "A6000"},
    {"RTX-6000-Ada", "RTX6000-Ada"},
    {"RTX-PRO-6000", "RTXPRO6000"},
    {"RTX-6000", "RTX6000"},
    {"V100-SXM2-32GB", "V100-32GB"},
    {"V100-SXM3-32GB", "V100-32GB"},
    {"V100-PCIE-32GB", "V100-32GB"},
    {"RTX-3090", "RTX3090"},
    {"RTX-4090", "RTX4090"},
    {"RTX-5090", "RTX5090"},
    {"V100-16GB", "V100"},
}};

bool same_but_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::toupper(static_cast<unsigned char>(a[i])) !=
        std::toupper(static_cast<unsigned char>(b[i]))) {
      return false;
    }
  }
  return true;
}

bool is_known(std::string_view type) {
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

}  // namespace

std::string canonical_gpu_type(std::string_view name) {
  for (const std::string_view type : kTypes) {
    if (same_but_case(name, type)) return std::string(type);
  }
  for (const auto& [alias, type] : kAliases) {
    if (same_but_case(name, alias)) return std::string(type);
  }
  return std::string(name);
}

std::string gpu_type_of(std::string_view name) {
  std::string words;
  for (size_t at = 0; at < name.size();) {
    const size_t end = std::min(name.find(' ', at), name.size());
    const std::string_view word = name.substr(at, end - at);
    at = end + 1;
    const bool is_maker = word == "NVIDIA" || word == "Tesla" || word == "GeForce" ||
                          word == "Quadro" || word == "AMD" || word == "Instinct";
    if (word.empty() || is_maker) continue;
    if (!words.empty()) words += '-';
    words += word;
  }
  // The longest beginning that is a type people know: "H100-80GB-HBM3" is one, of "L40S-48GB" only the first part.
  for (size_t end = words.size(); end != std::string::npos && end > 0;
       end = words.rfind('-', end - 1)) {
    const std::string type = canonical_gpu_type(std::string_view(words).substr(0, end));
    if (is_known(type)) return type;
  }
  return words;
}

}  // namespace devrun
