// SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
)

func main() {
	found := map[string]string{}
	for _, path := range os.Args[1:3] {
		text, _ := os.ReadFile(path)
		for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			name, value, _ := strings.Cut(line, "=")
			found[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	names := []string{}
	for name := range found {
		names = append(names, name)
	}
	sort.Strings(names)
	target := os.Args[3]
	out, _ := os.OpenFile(target+".part", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	for _, name := range names {
		fmt.Fprintf(out, "%s = %s\n", name, found[name])
	}
	out.Sync()
	out.Close()
	os.Rename(target+".part", target)
}
