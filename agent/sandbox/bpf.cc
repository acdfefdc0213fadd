#include "agent/sandbox/bpf.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/runtime/file.h"

namespace devrun::sandbox {

namespace {

bpf_insn instruction(uint8_t code, uint8_t to, uint8_t from, int16_t offset, int32_t value) {
  bpf_insn out{};
  out.code = code;
  out.dst_reg = to & 0xf;
  out.src_reg = from & 0xf;
  out.off = offset;
  out.imm = value;
  return out;
}

uint64_t address_of(const void* what) {
  return reinterpret_cast<uint64_t>(what);
}

}  // namespace

void BpfProgram::load(uint8_t to, int16_t offset) {
  code_.push_back(instruction(BPF_LDX | BPF_MEM | BPF_W, to, 1, offset, 0));
}

void BpfProgram::move(uint8_t to, uint8_t from) {
  code_.push_back(instruction(BPF_ALU | BPF_MOV | BPF_X, to, from, 0, 0));
}

void BpfProgram::and_with(uint8_t reg, int32_t value) {
  code_.push_back(instruction(BPF_ALU | BPF_AND | BPF_K, reg, 0, 0, value));
}

void BpfProgram::shift_right(uint8_t reg, int32_t bits) {
  code_.push_back(instruction(BPF_ALU | BPF_RSH | BPF_K, reg, 0, 0, bits));
}

void BpfProgram::skip_unless(uint8_t reg, int32_t value, int16_t instructions) {
  code_.push_back(instruction(BPF_JMP32 | BPF_JNE | BPF_K, reg, 0, instructions, value));
}

void BpfProgram::answer(int32_t value) {
  code_.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value));
  code_.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

Status BpfProgram::attach(const std::string& cgroup, BpfPoint point) const {
  bpf_prog_type type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR;
  bpf_attach_type where = BPF_CGROUP_INET4_CONNECT;
  if (point == BpfPoint::kConnect6) where = BPF_CGROUP_INET6_CONNECT;
  if (point == BpfPoint::kDevices) {
    type = BPF_PROG_TYPE_CGROUP_DEVICE;
    where = BPF_CGROUP_DEVICE;
  }
  constexpr char kLicense[] = "GPL";
  bpf_attr load{};
  load.prog_type = type;
  if (point != BpfPoint::kDevices) load.expected_attach_type = where;
  load.insns = address_of(code_.data());
  load.insn_cnt = static_cast<uint32_t>(code_.size());
  load.license = address_of(kLicense);
  const UniqueFd program(static_cast<int>(::syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load)));
  if (!program) return errno_error("load a BPF program", errno);
  const UniqueFd folder = TRY(open_file(cgroup, O_RDONLY | O_DIRECTORY));
  bpf_attr attach{};
  attach.target_fd = static_cast<uint32_t>(folder.get());
  attach.attach_bpf_fd = static_cast<uint32_t>(program.get());
  attach.attach_type = where;
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (::syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) != 0) {
    return errno_error("attach a BPF program to " + cgroup, errno);
  }
  return ok();
}

}  // namespace devrun::sandbox
