// SPDX-License-Identifier: MIT
package main

import (
	"fmt"
	"os"
	"sort"
	"strings"
)

func main() {
	data, err := os.ReadFile("text")
	if err != nil {
		os.Exit(1)
	}
	counts := map[string]int{}
	for _, word := range strings.Fields(string(data)) {
		counts[word]++
	}
	words := []string{}
	for word := range counts {
		words = append(words, word)
	}
	sort.Slice(words, func(i, j int) bool {
		a, b := words[i], words[j]
		return counts[a] > counts[b] || counts[a] == counts[b] && a < b
	})
	for _, word := range words {
		fmt.Printf("%d %s\n", counts[word], word)
	}
}
