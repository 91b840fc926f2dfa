// A run as it happens.
import { graphql } from "relay-runtime";

export const live = graphql`
  subscription LiveRunSubscription($runId: ID!, $after: String) {
    runEvents(runId: $runId, after: $after) {
      endCursor
      run {
        id
        status
        lastSequence
      }
      events {
        ...RunPage_event
      }
    }
  }
`;
