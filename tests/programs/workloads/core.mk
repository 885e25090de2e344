# SPDX-License-Identifier: MIT
sources := $(wildcard native/ring/*.c native/spans/*.c native/decode/*.c native/encode/*.c)
objects := $(sources:.c=.o)
flags := -std=c11 -D_GNU_SOURCE -O1 -Wall -fPIC -Inative/include -Inative

all: libcore.a libcore.so

libcore.a: $(objects)
	ar rcs $@ $(objects)

libcore.so: $(objects)
	cc -shared -o $@ $(objects) -lpthread

%.o: %.c
	cc $(flags) -c -o $@ $<
