// A run's page: what it is, what it made, and its timeline, paged.
import { graphql } from "relay-runtime";

export const query = graphql`
  query RunPageQuery($id: ID!) {
    run(id: $id) {
      id
      number
      prompt
      status
      answer
      durationMs
      failure {
        code
        message
        retryable
      }
      usage {
        totalTokens
      }
      project {
        id
        name
      }
      session {
        id
        endReason
      }
      inputs {
        path
        sha256
      }
      artifacts(first: 50) {
        nodes {
          id
          ...RunPage_artifact
        }
      }
      ...RunPage_timeline
    }
  }
`;

export const timeline = graphql`
  fragment RunPage_timeline on Run
  @argumentDefinitions(count: { type: "Int", defaultValue: 100 }, cursor: { type: "String" })
  @refetchable(queryName: "RunPageTimelineQuery") {
    events(first: $count, after: $cursor) @connection(key: "RunPage_events") {
      edges {
        node {
          ...RunPage_event
        }
      }
    }
  }
`;

export const event = graphql`
  fragment RunPage_event on RunEvent {
    __typename
    id
    sequence
    at
    type
    ... on AgentMessage {
      text
      final
    }
    ... on ToolCalled {
      callId
      tool
      input
    }
    ... on ToolReturned {
      callId
      output
      isError
    }
    ... on ArtifactCreated {
      artifact {
        id
        name
      }
    }
    ... on RunFailed {
      failure {
        message
      }
    }
  }
`;

export const artifact = graphql`
  fragment RunPage_artifact on Artifact @refetchable(queryName: "RunPageArtifactQuery") {
    name
    size
    mediaType
    text(maxBytes: 4096)
    downloadUrl
  }
`;
