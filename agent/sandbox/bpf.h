// The few BPF instructions that the rules of a cgroup are made of, and attaching them. The program goes with its cgroup.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace devrun::sandbox {

enum class BpfPoint { kDevices, kConnect4, kConnect6 };

class BpfProgram {
 public:
  // A 32-bit word of the context, which is in register 1.
  void load(uint8_t to, int16_t offset);
  void move(uint8_t to, uint8_t from);
  void and_with(uint8_t reg, int32_t value);
  void shift_right(uint8_t reg, int32_t bits);
  // Over the next so many instructions unless the register, as 32 bits, has this value. answer() is two of them.
  void skip_unless(uint8_t reg, int32_t value, int16_t instructions);
  // 1: allowed, 0: refused.
  void answer(int32_t value);

  // To the cgroup (v2) of that folder, beside what is attached already.
  Status attach(const std::string& cgroup, BpfPoint point) const;

 private:
  std::vector<bpf_insn> code_;
};

}  // namespace devrun::sandbox
