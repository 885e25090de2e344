// SPDX-License-Identifier: MIT

// Package sieve finds primes by goroutines in a row.
package sieve

// Primes returns the primes below limit.
func Primes(limit int) []int {
	source := make(chan int)
	go func() {
		for i := 2; i < limit; i++ {
			source <- i
		}
		close(source)
	}()
	var found []int
	for {
		prime, more := <-source
		if !more {
			return found
		}
		found = append(found, prime)
		next := make(chan int)
		go func(from <-chan int, to chan<- int, prime int) {
			for i := range from {
				if i%prime != 0 {
					to <- i
				}
			}
			close(to)
		}(source, next, prime)
		source = next
	}
}
