// go run get_token.go CREDENTIAL: one request to the API, with the token that purserd gives. Standard library alone.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
)

type bundle struct {
	AccessToken string                         `json:"access_token"`
	ApiUrl      string                         `json:"api_url"`
	Headers     []struct{ Name, Value string } `json:"headers"`
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func getToken(parameters map[string]string) bundle {
	path, set := os.LookupEnv("PURSER_SOCKET")
	if !set {
		path = "/run/purser/purser.sock"
	}
	purser := must(net.Dial("unix", path))
	defer purser.Close()
	call := must(json.Marshal(map[string]any{"method": "io.purser.Tokens.GetToken", "parameters": parameters}))
	must(purser.Write(append(call, 0)))
	answer := must(bufio.NewReader(purser).ReadBytes(0))
	var reply struct {
		Error      string
		Parameters json.RawMessage
	}
	must(0, json.Unmarshal(answer[:len(answer)-1], &reply))
	if reply.Error != "" {
		log.Fatalf("%s: %s", reply.Error, reply.Parameters)
	}
	var got bundle
	must(0, json.Unmarshal(reply.Parameters, &got))
	return got
}

func ask(got bundle, query string) *http.Response {
	body := must(json.Marshal(map[string]string{"query": query}))
	request := must(http.NewRequest("POST", got.ApiUrl, strings.NewReader(string(body))))
	request.Header.Set("Content-Type", "application/json")
	for _, header := range got.Headers {
		request.Header.Set(header.Name, header.Value)
	}
	return must(http.DefaultClient.Do(request))
}

func main() {
	got := getToken(map[string]string{"credential": os.Args[1]})
	response := ask(got, "{ account { id name } }")
	if response.StatusCode == 401 {
		got = getToken(map[string]string{"credential": os.Args[1], "rejected": got.AccessToken})
		response = ask(got, "{ account { id name } }")
	}
	fmt.Printf("%s\n", must(io.ReadAll(response.Body)))
	if response.StatusCode != 200 {
		os.Exit(1)
	}
}
