// SPDX-License-Identifier: MIT
package main

import (
	"io"
	"os"
)

func main() {
	in, _ := os.Open(os.Args[1])
	data, _ := io.ReadAll(in)
	made, _ := os.OpenFile(os.Args[2], os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
	made.Write(data)
	made.Close()
	log, _ := os.OpenFile(os.Args[3], os.O_APPEND|os.O_WRONLY, 0)
	log.Write(data)
	os.Stdout.Write(data)
}
