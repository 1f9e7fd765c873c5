# A guest that is hard to move: it has filled its memory, and writes to one page after another.
# It writes to one each time that so many TICKS of ACPI's timer have passed, of which a second has 3579545.
.code16
.globl _start
_start:
  cli
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %ss
  movw $0x7000, %sp
  # Let there be more than a MiB, and 32 bits.
  inb $0x92, %al
  orb $2, %al
  outb %al, $0x92
  lgdtl table
  movl %cr0, %eax
  orl $1, %eax
  movl %eax, %cr0
  ljmpl $8, $protected
.code32
protected:
  movw $16, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  # Fill 62 of its 64 MiB.
  movl $0x100000, %edi
  movl $15872, %ecx
fill:
  movl $0x5a5a5a5a, (%edi)
  addl $4096, %edi
  decl %ecx
  jnz fill
  movl $0x608, %edx
  inl %dx, %eax
  movl %eax, %ebx
sweep:
  movl $0x200000, %edi
  movl $12288, %ecx # 48 MiB
next:
  inl %dx, %eax
  subl %ebx, %eax
  andl $0xffffff, %eax
  cmpl $TICKS, %eax
  jb next
  addl $TICKS, %ebx
  incl (%edi)
  incw 0x7f00 # where the oracle sees that this runs
  addl $4096, %edi
  decl %ecx
  jnz next
  jmp sweep
.align 8
segments:
  .quad 0
  .quad 0x00cf9a000000ffff
  .quad 0x00cf92000000ffff
table:
  .word 23
  .long segments
.org 510
.word 0xaa55
