// SPDX-License-Identifier: MIT
package main

import (
	"encoding/json"
	"os"
	"strings"
)

func main() {
	data, _ := os.ReadFile(os.Args[1])
	found := map[string]map[string]string{}
	section := ""
	for _, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			section = strings.Trim(line, "[]")
			found[section] = map[string]string{}
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		found[section][strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	text, _ := json.MarshalIndent(found, "", "  ")
	os.WriteFile(os.Args[2], append(text, 10), 0o644)
	os.Chmod(os.Args[2], 0o644)
}
