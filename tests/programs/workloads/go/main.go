// SPDX-License-Identifier: MIT

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"sync"

	"example.org/renacer/program/sieve"
)

func main() {
	limit, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	primes := sieve.Primes(limit)
	text, _ := json.Marshal(primes)
	fmt.Printf("%d primes, %x\n", len(primes), sha256.Sum256(text))
	var group sync.WaitGroup
	for i := 0; i < 20; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			name := fmt.Sprintf("../part%02d", i)
			if err := os.WriteFile(name, text[:100*i], 0o644); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(3)
			}
		}(i)
	}
	group.Wait()
}
