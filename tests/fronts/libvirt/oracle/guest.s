# The guest of the oracle: a boot sector that halts, obeys the power button and follows the balloon.
# It needs no memory to speak of and wakes 18 times a second, with the BIOS's timer.
.code16
.globl _start
_start:
  cli
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movw $0x7000, %sp
  sti
  # The balloon's I/O ports: a PCI device that the BIOS finds (vendor 1af4, device 1002).
  movw $0xb102, %ax
  movw $0x1002, %cx
  movw $0x1af4, %dx
  xorw %si, %si
  int $0x1a
  jc 1f
  movw $0xb109, %ax
  movw $0x10, %di
  int $0x1a
  andw $0xfffc, %cx
  movw %cx, ports
1:
  # Let the power button (bit 8 of PM1) be noticed.
  movw $0x602, %dx
  movw $0x100, %ax
  outw %ax, %dx
again:
  sti
  hlt
  incw 0x7f00 # where the oracle sees that this runs
  movw $0x600, %dx
  inw %dx, %ax
  testw $0x100, %ax
  jnz off
  movw ports, %dx
  testw %dx, %dx
  jz again
  addw $20, %dx
  inl %dx, %eax # how much the host wants to have back, in pages
  addw $4, %dx
  cmpl given, %eax
  je again
  movl %eax, given
  outl %eax, %dx # it has it
  jmp again
off:
  movw $0x600, %dx
  outw %ax, %dx
  movw $0x604, %dx
  movw $0x2000, %ax
  outw %ax, %dx
  jmp again
ports: .word 0
given: .long 0
.org 510
.word 0xaa55
