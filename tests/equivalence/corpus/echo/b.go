// SPDX-License-Identifier: MIT
package main

import (
	"bufio"
	"net"
	"os"
	"strings"
)

func serve(listener net.Listener) {
	peer, _ := listener.Accept()
	lines := bufio.NewScanner(peer)
	for lines.Scan() {
		line := lines.Text()
		peer.Write([]byte(line + "\n"))
	}
	peer.Close()
}

func main() {
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	go serve(listener)
	client, _ := net.Dial("tcp", listener.Addr().String())
	answers := bufio.NewReader(client)
	var said strings.Builder
	for _, word := range os.Args[1:] {
		client.Write([]byte(word + "\n"))
		answer, _ := answers.ReadString('\n')
		said.WriteString("> " + answer)
	}
	os.Stdout.WriteString(said.String())
	client.Close()
}
